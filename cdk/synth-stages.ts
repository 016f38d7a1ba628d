/** `npm run synth`: the templates of every stage, validated, in one process: what the stages share is bundled once. */
import { STAGES } from './settings.ts'
import { telemetryApp } from './telemetry-app.ts'

// The folder ends as `cdk synth` leaves it: with the first of the stages, its default.
for (const stage of Object.keys(STAGES).toReversed()) telemetryApp({ outdir: 'cdk.out', context: { stage } }).synth()
