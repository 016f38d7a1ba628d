import { strToU8, zipSync, type Zippable } from 'fflate'
import type { GatewayAddress } from '../../schemas/topics.ts'

const EXECUTABLE = 0o755
const READABLE = 0o644
/** The upper half of a zip entry's attributes are Unix's mode. */
const UNIX = 3

/** Files for a gateway that is prepared in an office, in a folder of its name. The private key is made by the script, on the gateway. */
export function gatewayBundle(gateway: GatewayAddress & { command: string; caPem: string }): Uint8Array {
  const { thingName, command, caPem } = gateway
  const file = (text: string, mode = READABLE): Zippable[string] => [strToU8(text), { os: UNIX, attrs: mode << 16 }]
  return zipSync({
    [thingName]: {
      'README.txt': file(readme(gateway)),
      'config.yaml': file(CONFIGURATION),
      'ca.pem': file(caPem),
      'enrol.sh': file(script(command), EXECUTABLE),
    },
  })
}

const readme = ({ thingName, tenant, province, plant }: GatewayAddress) => `\
${thingName} (${tenant}, ${province}, ${plant})

1. Install the package gateway-agent on the gateway.
2. Describe the machines in config.yaml.
3. Within an hour after this file was made: sudo ./enrol.sh

enrol.sh makes the gateway's private key, which never leaves it, and fetches its certificate. It may be run again after a failure.
ca.pem is what signs the certificate of the MQTT broker; the agent gets it by itself, a firewall that looks into TLS may want it.
`

const CONFIGURATION = `\
version: 1
dataDir: /var/lib/gateway-agent
devices:
  - { name: plc-1, driver: modbus-tcp, host: 192.0.2.10, port: 502, unitId: 1 }
machines:
  - slug: machine-1
    device: plc-1
    intervalMs: 1000
    tags:
      temperature: { address: "holding:100", type: float32, unit: "°C" }
`

const script = (command: string) => `\
#!/bin/sh
set -eu
cd "$(dirname "$0")"
# A configuration that is there already stays.
if [ ! -e /etc/gateway-agent/config.yaml ]; then
  install -o root -g gateway-agent -m 0640 config.yaml /etc/gateway-agent/config.yaml
fi
gateway-agent check
${command}
systemctl enable --now gateway-agent
`
