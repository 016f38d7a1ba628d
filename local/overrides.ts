/** The one list of what a function's environment has here and not in AWS. Everything else is the template's. */

export interface LocalAddresses {
  aws: string
  sqsAndS3: string
  redisUrl: string
  rolePassword: string
  iotCaPem: string
  firebaseAuthHost: string
  page: string
}

/** Every function. */
const EVERYWHERE = (local: LocalAddresses): Record<string, string> => ({
  // The access key is the function's name. Nothing here checks a signature: any secret does.
  AWS_SECRET_ACCESS_KEY: 'local',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_ENDPOINT_URL_IOT: local.aws,
  AWS_ENDPOINT_URL_IOT_DATA_PLANE: local.aws,
  AWS_ENDPOINT_URL_LAMBDA: local.aws,
  AWS_ENDPOINT_URL_SECRETS_MANAGER: local.aws,
  AWS_ENDPOINT_URL_SESV2: local.aws,
  AWS_ENDPOINT_URL_SQS: local.sqsAndS3,
  AWS_ENDPOINT_URL_S3: local.sqsAndS3,
  /** The broker's certificate is signed by the local CA instead of Amazon's. */
  IOT_CA_PEM: local.iotCaPem,
  FIREBASE_AUTH_EMULATOR_HOST: local.firebaseAuthHost,
})

/** In place of what the template sets, where it sets it. `undefined` takes a variable away. */
const INSTEAD = (local: LocalAddresses): Record<string, Record<string, string | undefined>> => ({
  // A password instead of an IAM token, and no TLS.
  PGUSER: { PGPASSWORD: local.rolePassword },
  DATABASE_SECRET_ARN: { LOCAL_ROLE_PASSWORD: local.rolePassword },
  PAGE_URL: { PAGE_URL: local.page },
  // No TLS and no AUTH.
  REDIS_URL: { REDIS_URL: local.redisUrl, REDIS_SECRET_ARN: undefined },
})

export function withOverrides(template: Record<string, string>, local: LocalAddresses): Record<string, string> {
  const instead = Object.entries(INSTEAD(local))
    .filter(([name]) => name in template)
    .map(([, values]) => values)
  const all = [template, EVERYWHERE(local), ...instead].flatMap((part) => Object.entries(part))
  const merged = Object.fromEntries<string | undefined>(all)
  return Object.fromEntries(Object.entries(merged).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
