import { telemetryApp } from './telemetry-app.ts'

// `cdk deploy --all -c stage=dev|prod`. What else `-c` can set: cdk/settings.ts.
telemetryApp().synth()
