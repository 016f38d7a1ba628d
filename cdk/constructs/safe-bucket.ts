import { RemovalPolicy } from 'aws-cdk-lib'
import { BlockPublicAccess, BucketEncryption, type BucketProps } from 'aws-cdk-lib/aws-s3'

/** Private, encrypted, closed to whoever does not come over TLS, and never deleted with its stack. */
export const SAFE_BUCKET = {
  blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
  encryption: BucketEncryption.S3_MANAGED,
  enforceSSL: true,
  removalPolicy: RemovalPolicy.RETAIN,
} as const satisfies BucketProps
