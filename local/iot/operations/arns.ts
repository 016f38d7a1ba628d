import { arn } from '../../aws-identity.ts'

export const thingArn = (name: string) => arn('iot', `thing/${name}`)
export const policyArn = (name: string) => arn('iot', `policy/${name}`)
export const certificateArn = (id: string) => arn('iot', `cert/${id}`)

/** Principals and targets are named by the certificate's ARN, which ends in its id. */
export const certificateIdOf = (principal: string) => principal.split('/').at(-1)!
