import {
  Annotations,
  App,
  Aspects,
  CfnRule,
  Fn,
  Stack,
  Tags,
  type AppProps,
  type StackProps,
  Validations,
} from 'aws-cdk-lib'
import { Alarm } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { AwsSolutionsChecks } from 'cdk-nag'
import { acknowledge, acknowledgedRules } from './acknowledged.ts'
import { DEMO_FIREBASE_PROJECT, DEMO_MAIL_FROM, settingsFrom } from './settings.ts'
import { AlarmsStack } from './stacks/alarms.ts'
import { ApiStack } from './stacks/api.ts'
import { ArchiveStack } from './stacks/archive.ts'
import { DataStack } from './stacks/data.ts'
import { EdgeStack } from './stacks/edge.ts'
import { ExportsStack } from './stacks/exports.ts'
import { IngestStack } from './stacks/ingest.ts'
import { LiveStack } from './stacks/live.ts'
import { MonitoringStack } from './stacks/monitoring.ts'
import { NetworkStack } from './stacks/network.ts'
import { PipelineStack } from './stacks/pipeline.ts'
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

const NO_FIREBASE_PROJECT =
  'No Firebase project is set, so nobody could sign in: add -c firebaseProjectId=… -c firebaseApiKey=…'

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
  const archive = new ArchiveStack(app, 'Archive', named('archive'), network.surroundings, data)
  const alarms = new AlarmsStack(app, 'Alarms', named('alarms'), network.surroundings, data)
  const ingest = new IngestStack(app, 'Ingest', named('ingest'), network.surroundings, data, alarms)
  const live = new LiveStack(app, 'Live', named('live'), network.surroundings, data, ingest)
  const exports = new ExportsStack(app, 'Exports', named('exports'), network.surroundings, data, archive)
  const api = new ApiStack(app, 'Api', named('api'), network.surroundings, data, alarms, ingest, live, archive, exports)
  new WebStack(app, 'Web', named('web'), network.surroundings, live, api)
  const runbook = app.node.findAll().filter((node) => node instanceof Alarm)
  new MonitoringStack(app, 'Monitoring', named('monitoring'), settings, runbook)

  Aspects.of(app).add({
    visit: (node) => {
      if (!(node instanceof Alarm)) return
      node.addAlarmAction(new SnsAction(network.surroundings.alarmTopic))
      node.addOkAction(new SnsAction(network.surroundings.alarmTopic))
    },
  })
  // CloudFront's web ACLs are in one region, whatever the region of the rest.
  if (settings.production) new EdgeStack(app, 'Edge', { ...named('edge'), env: { region: 'us-east-1' } })

  Tags.of(app).add('application', 'iot-telemetry')
  Tags.of(app).add('stage', settings.stage)
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  acknowledge(app, acknowledgedRules(settings))
  if (settings.production && settings.alarmEmail === undefined)
    Annotations.of(network).addWarningV2('iot-telemetry:alarms', 'Nobody is told of alarms: add -c alarmEmail=…')
  if (settings.firebase.projectId === DEMO_FIREBASE_PROJECT) {
    Annotations.of(api).addWarningV2('iot-telemetry:firebase', `${NO_FIREBASE_PROJECT}; no deployment is taken without`)
    // The laptop runs these templates without a project of Google's. CloudFormation refuses them before it changes anything.
    for (const stack of app.node.children.filter((child) => child instanceof Stack))
      new CfnRule(stack, 'FirebaseProject', {
        assertions: [{ assert: Fn.conditionEquals(DEMO_FIREBASE_PROJECT, ''), assertDescription: NO_FIREBASE_PROJECT }],
      })
  }
  // Of an account, not of a stage.
  if (settings.githubRepository !== undefined)
    new PipelineStack(app, 'Pipeline', { stackName: 'iot-telemetry-pipeline' }, settings.githubRepository)
  if (settings.mailFrom === DEMO_MAIL_FROM)
    Annotations.of(alarms).addWarningV2(
      'iot-telemetry:mail',
      'No sender is set, so SES would refuse the mails about alarms: add -c mailFrom=alarms@your.domain, a verified identity of SES',
    )
  else if (settings.pageUrl === undefined)
    Annotations.of(alarms).addWarningV2(
      'iot-telemetry:page',
      'Mails about alarms do not lead to the page: add -c pageUrl=… with the output WebUrl',
    )
  return app
}
