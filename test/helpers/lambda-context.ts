import type { Context } from 'aws-lambda'

/** What Lambda passes beside the event, without the callbacks of old. */
export const lambdaContext = {
  callbackWaitsForEmptyEventLoop: true,
  functionName: 'under-test',
  functionVersion: '1',
  invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:under-test',
  memoryLimitInMB: '512',
  awsRequestId: '00000000-0000-4000-8000-000000000000',
  logGroupName: 'under-test',
  logStreamName: 'under-test',
  getRemainingTimeInMillis: () => 30_000,
} as Context
