/** Who and where this cloud is. The account is the one that fauxqs writes into its ARNs. */
export const REGION = 'us-east-1'
export const ACCOUNT_ID = '000000000000'
export const PARTITION = 'aws'
export const URL_SUFFIX = 'amazonaws.com'

export const arn = (service: string, resource: string, region = REGION) =>
  `arn:${PARTITION}:${service}:${region}:${ACCOUNT_ID}:${resource}`
