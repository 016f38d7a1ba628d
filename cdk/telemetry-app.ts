import { Annotations, App, Tags, type AppProps, type StackProps } from 'aws-cdk-lib'
import { DEMO_FIREBASE_PROJECT, settingsFrom } from './settings.ts'
import { ApiStack } from './stacks/api.ts'
import { ArchiveStack } from './stacks/archive.ts'
import { DataStack } from './stacks/data.ts'
import { IngestStack } from './stacks/ingest.ts'
import { LiveStack } from './stacks/live.ts'
import { NetworkStack } from './stacks/network.ts'
import { WebStack } from './stacks/web.ts'

/**
 * Behaviour of the library that a new project has to choose. In code and not in cdk.json, so that every way to synthesize
 * has it. Strong references: CloudFormation refuses to delete what another stack still uses.
 */
const FEATURE_FLAGS = {
  '@aws-cdk/core:defaultCrossStackReferences': 'strong',
  '@aws-cdk/core:checkSecretUsage': true,
  '@aws-cdk/aws-iam:minimizePolicies': true,
}

/**
 * All stacks of one stage, for any account and region. Each stack reads the ones above it, never one below.
 * `aws:cdk:enable-asset-metadata` makes a template name the folder of each bundle, which local/ runs.
 */
export function telemetryApp(props: AppProps = {}): App {
  const app = new App({
    analyticsReporting: false,
    ...props,
    postCliContext: { ...FEATURE_FLAGS, 'aws:cdk:enable-asset-metadata': true, ...props.postCliContext },
  })
  const settings = settingsFrom((key) => app.node.tryGetContext(key) as unknown)
  const named = (name: string): StackProps => ({ stackName: `iot-telemetry-${settings.stage}-${name}` })

  const network = new NetworkStack(app, 'Network', named('network'), settings)
  const data = new DataStack(app, 'Data', named('data'), network.surroundings)
  new ArchiveStack(app, 'Archive', named('archive'), network.surroundings, data)
  const ingest = new IngestStack(app, 'Ingest', named('ingest'), network.surroundings, data)
  const live = new LiveStack(app, 'Live', named('live'), network.surroundings, data, ingest)
  const api = new ApiStack(app, 'Api', named('api'), network.surroundings, data, live)
  new WebStack(app, 'Web', named('web'), network.surroundings, live, api)

  Tags.of(app).add('application', 'iot-telemetry')
  Tags.of(app).add('stage', settings.stage)
  if (settings.firebase.projectId === DEMO_FIREBASE_PROJECT)
    Annotations.of(api).addWarningV2(
      'iot-telemetry:firebase',
      'No Firebase project is set, so nobody could sign in: add -c firebaseProjectId=… -c firebaseApiKey=…',
    )
  return app
}
