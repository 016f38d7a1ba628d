import { expect, it } from 'vitest'
import { Metrics } from '../../../local/lambda/metrics.ts'

const line = (values: number | number[]) =>
  JSON.stringify({
    _aws: {
      Timestamp: 1,
      CloudWatchMetrics: [
        {
          Namespace: 'IotTelemetry',
          Dimensions: [['service', 'tenant']],
          Metrics: [{ Name: 'MessagesStored', Unit: 'Count' }],
        },
      ],
    },
    service: 'ingest',
    tenant: 'gra"nix',
    MessagesStored: values,
  })

it('shows EMF metrics as Prometheus text', () => {
  const metrics = new Metrics()
  expect(metrics.record(line(3))).toBe(true)
  expect(metrics.record(line([2, 5]))).toBe(true)
  expect(metrics.record('{"level":"INFO"}')).toBe(false)
  const labels = '{service="ingest",tenant="gra\\"nix"}'
  expect(metrics.toPrometheusText().split('\n')).toEqual([
    '# TYPE iot_telemetry_messages_stored_total counter',
    `iot_telemetry_messages_stored_total${labels} 10`,
    '# TYPE iot_telemetry_messages_stored_samples_total counter',
    `iot_telemetry_messages_stored_samples_total${labels} 3`,
    '# TYPE iot_telemetry_messages_stored_last gauge',
    `iot_telemetry_messages_stored_last${labels} 5`,
    '',
  ])
})

it('throws for a document that CloudWatch would not take', () => {
  expect(() => new Metrics().record('{"_aws":{"CloudWatchMetrics":[{}]}}')).toThrow()
})
