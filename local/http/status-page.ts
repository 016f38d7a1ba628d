/** `/local/status`: the figures of CloudWatch's dashboard and the alarms of the runbook, as they are now in this cloud. */
import type { FastifyInstance } from 'fastify'
import { metricNamespace, METRICS } from '../../schemas/metrics.ts'
import { type Panel, PANELS } from '../../schemas/panels.ts'
import type { Alarm } from '../cloudwatch/alarm.ts'
import type { CloudWatch } from '../cloudwatch/cloudwatch.ts'
import type { MetricId } from '../cloudwatch/metric-store.ts'
import { STAGE } from '../synth.ts'

const MINUTE_MS = 60_000
const SHOWN_MINUTES = 60
const WITHOUT_FRAMES = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

export function serveStatus(app: FastifyInstance, cloudWatch: CloudWatch): void {
  app.get('/local/alarms', () => cloudWatch.alarms)
  app.get('/local/datapoints', () => cloudWatch.store.newest())
  app.get('/local/metrics', (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(cloudWatch.prometheus.toString()),
  )
  app.get('/local/status', (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header('content-security-policy', WITHOUT_FRAMES)
      .send(page(cloudWatch, Date.now())),
  )
}

function page(cloudWatch: CloudWatch, now: number): string {
  const alarms = cloudWatch.alarms.toSorted((a, b) => Number(b.state === 'ALARM') - Number(a.state === 'ALARM'))
  const ringing = alarms.filter(({ state }) => state === 'ALARM').length
  const panels = PANELS.map((panel) => panelOf(panel, cloudWatch, now))
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${ringing > 0 ? `${String(ringing)} alarms · ` : ''}Status of the local cloud</title><style>${STYLE}</style>
<main><h1>Status of the local cloud</h1>
<p>The alarms and figures that a deployed stage has in CloudWatch, by the minute of the last hour. As text for Prometheus: <a href="/local/metrics">/local/metrics</a></p>
<h2>Alarms <small>${ringing > 0 ? `${String(ringing)} of ${String(alarms.length)} ring` : `none of ${String(alarms.length)} rings`}; each is a heading of docs/runbook.md</small></h2>
<ul class="alarms">${alarms.map(alarmOf).join('')}</ul>
<h2>Figures</h2><div class="panels">${panels.join('')}</div></main>
<script>${REFRESH}</script></html>`
}

function alarmOf({ settings, state, since, value }: Alarm): string {
  const [heading] = settings.name.split(' [')
  const details = `${settings.description} Now ${value === undefined ? 'no data' : figure(value)}; rings at ${settings.condition}.`
  const when = state === 'ALARM' ? ` <time>since ${new Date(since).toISOString().slice(11, 19)}</time>` : ''
  return `<li class="${state}" title="${escaped(details)}">${escaped(heading!)}${when}</li>`
}

function panelOf({ title, of, statistic, perSecond, unit }: Panel, { store }: CloudWatch, now: number) {
  const thisMinute = Math.floor(now / MINUTE_MS) * MINUTE_MS
  const lines = of.flatMap((one) =>
    typeof one === 'string'
      ? store
          .idsOf(metricNamespace(STAGE), one)
          .map((id) => ({ id, label: labelOf(id, of.length > 1, METRICS[one].services.length > 1) }))
      : store.idsOf(one.namespace, one.name).map((id) => ({ id, label: shortName(id.dimensions[one.dimension]!) })),
  )
  const rows = lines
    .map(({ id, label }) => {
      const values = Array.from({ length: SHOWN_MINUTES }, (_, index) => {
        const from = thisMinute - (SHOWN_MINUTES - 1 - index) * MINUTE_MS
        return store.statistic(id, statistic, from, from + MINUTE_MS)
      })
      // What has begun is less than a minute: a rate is over the last two, so that it is neither old nor too low.
      const recent = store.statistic(id, statistic, thisMinute - MINUTE_MS, thisMinute + MINUTE_MS)
      const current = perSecond ? ((recent ?? 0) * 1000) / (now - thisMinute + MINUTE_MS) : recent
      const drawn = perSecond ? values.map((value) => value && value / 60) : values
      return { label, drawn, current }
    })
    .filter(({ drawn }) => drawn.some((value) => value !== undefined))
    .toSorted((a, b) => (a.label < b.label ? -1 : 1))
  const most = Math.max(0, ...rows.flatMap(({ drawn }) => drawn.map((value) => value ?? 0)))
  const table = rows.map(
    ({ label, drawn, current }) =>
      `<tr><th>${escaped(label)}</th><td>${sparkline(drawn, most)}</td><td>${current === undefined ? '–' : figure(current)}${unit && current !== undefined ? ` ${unit}` : ''}</td></tr>`,
  )
  const body = rows.length > 0 ? `<table>${table.join('')}</table>` : '<p>Nothing yet</p>'
  return `<section><h3>${escaped(title)}</h3>${body}</section>`
}

/** As the construct is called: without what CloudFormation adds around. */
const shortName = (name: string) =>
  name.replace(/^iot-telemetry-[a-z]+-(?:[a-z]+-(?=[A-Z]))?/, '').replace(/[0-9A-F]{8}(\.fifo)?$/, '')

const labelOf = ({ name, dimensions: { service, ...others } }: MetricId, named: boolean, byService: boolean) => {
  const words = [...Object.values(others), ...(named ? [name] : []), ...(byService ? [`(${service!})`] : [])]
  return words.length > 0 ? words.join(' ') : service!
}

function sparkline(values: (number | undefined)[], most: number): string {
  const bars = values.map((value, index) => {
    if (value === undefined) return ''
    const height = most === 0 ? 1 : Math.max(1, (value / most) * 24)
    return `<rect x="${index * 2}" y="${(24 - height).toFixed(1)}" width="1.5" height="${height.toFixed(1)}"/>`
  })
  return `<svg viewBox="0 0 120 24" aria-hidden="true">${bars.join('')}</svg>`
}

const figure = (value: number) => value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 })

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** Two seconds, while somebody looks. */
const REFRESH = `setInterval(async () => {
  if (document.hidden) return
  const next = new DOMParser().parseFromString(await (await fetch(location.href)).text(), 'text/html')
  document.title = next.title
  document.querySelector('main').replaceWith(next.querySelector('main'))
}, 2000)`

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d8dee4, #30363d); --quiet: light-dark(#57606a, #8b949e); --bar: light-dark(#0969da, #58a6ff);
  --bad: light-dark(#cf222e, #ff7b72); --good: light-dark(#1a7f37, #3fb950) }
body { font: 14px/1.45 system-ui, sans-serif; margin: 0; background: light-dark(#f6f8fa, #0d1117); color: light-dark(#1f2328, #e6edf3) }
main { max-width: 1360px; margin: 0 auto; padding: 24px 16px 48px }
h1 { font-size: 22px; margin: 0 } h2 { font-size: 17px; margin: 28px 0 10px } h3 { font-size: 14px; margin: 0 0 6px }
small, p, time { color: var(--quiet); font-weight: 400 } p { margin: 4px 0 } a { color: var(--bar) }
.alarms { display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 6px; list-style: none; margin: 0; padding: 0 }
.alarms li { border: 1px solid var(--line); border-radius: 6px; padding: 5px 10px; background: light-dark(#fff, #161b22) }
.alarms li::before { content: '●'; margin-right: 7px; color: var(--quiet) } .alarms .OK::before { color: var(--good) }
.alarms .ALARM { border-color: var(--bad); font-weight: 600 } .alarms .ALARM::before { color: var(--bad) }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 12px }
section { border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px; background: light-dark(#fff, #161b22); min-width: 0 }
table { border-collapse: collapse; width: 100%; table-layout: fixed } th { text-align: left; font-weight: 400; overflow-wrap: anywhere; padding: 2px 8px 2px 0; color: var(--quiet) }
td { padding: 2px 0; width: 120px } td:last-child { width: 76px; text-align: right; font-variant-numeric: tabular-nums }
svg { display: block; width: 120px; height: 24px } rect { fill: var(--bar) }`
