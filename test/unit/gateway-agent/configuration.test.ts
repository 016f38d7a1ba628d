import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfiguration } from '../../../gateway-agent/src/configuration.ts'
import { Failure } from '../../../gateway-agent/src/failure.ts'
import { messagesPerSecond } from '../../../gateway-agent/src/publish-budget.ts'

const GOOD = `version: 1
dataDir: ./data
devices:
  - { name: plc-1, driver: modbus-tcp, host: 192.0.2.10 }
  - { name: plc-2, driver: modbus-tcp, host: 192.0.2.11, port: 1502, unitId: 3, timeoutMs: 250 }
machines:
  - slug: pump-1
    device: plc-1
    intervalMs: 500
    tags:
      temperature: { address: "holding:100", type: float32, order: CDAB, unit: "°C", deadband: 0.2 }
      pressure: { address: "input:7", type: int16, scale: 0.01, offset: 0, unit: bar, intervalMs: 5000 }
      running: { address: "coil:3" }
      level: { address: "holding:3", device: plc-2 }
`

const SERIAL = GOOD.replace('modbus-tcp, host: 192.0.2.10 ', 'modbus-rtu, path: /dev/ttyS0 ')
  .replace('modbus-tcp, host: 192.0.2.11, port: 1502, unitId: 3,', 'modbus-rtu, path: /dev/ttyS0, unitId: 2,')
  .replaceAll('plc-', 'meter-')

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-configuration-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

function read(text: string) {
  const file = join(folder, 'config.yaml')
  writeFileSync(file, text)
  return readConfiguration(file)
}

/** The lines of the Failure, without the file's name. */
function mistakesIn(text: string): string[] {
  try {
    read(text)
  } catch (error) {
    expect(error).toBeInstanceOf(Failure)
    expect((error as Failure).exitCode).toBe(2)
    return (error as Failure).message.split('\n').map((line) => {
      expect(line.startsWith(join(folder, 'config.yaml:'))).toBe(true)
      return line.slice(join(folder, 'config.yaml:').length)
    })
  }
  return []
}

const replaced = (from: string, to: string) => {
  expect(GOOD).toContain(from)
  return GOOD.replace(from, to)
}

describe('a good configuration', () => {
  it('has its defaults filled in, its tags completed by their machine, and dataDir beside the file', () => {
    const { dataDir, mqtt, buffer, devices, machines } = read(GOOD)
    expect(dataDir).toBe(join(folder, 'data'))
    expect(mqtt).toEqual({ port: 'auto', publishesPerSecond: 80 })
    expect(buffer).toEqual({ maxMegabytes: 1024, minFreeMegabytes: 256 })
    expect(devices[0]).toEqual({
      name: 'plc-1',
      driver: 'modbus-tcp',
      host: '192.0.2.10',
      port: 502,
      unitId: 1,
      timeoutMs: 1000,
    })
    expect(machines[0]!.tags.map(({ name, device, intervalMs, scale }) => [name, device, intervalMs, scale])).toEqual([
      ['temperature', 'plc-1', 500, 1],
      ['pressure', 'plc-1', 5000, 0.01],
      ['running', 'plc-1', 500, 1],
      ['level', 'plc-2', 500, 1],
    ])
  })

  it('tells how many messages it will send at most', () => {
    // plc-1 every 500 ms and every 5 s, plc-2 every 500 ms.
    expect(messagesPerSecond(read(GOOD).machines)).toBeCloseTo(2 + 0.2 + 2)
  })
})

describe('a secret', () => {
  const withPassword = (password: string) =>
    GOOD.replace(
      'devices:',
      `proxy: { host: proxy.plant.example, port: 3128, user: gateway, password: ${password} }\ndevices:`,
    )

  it('comes from a file, or from the environment', () => {
    writeFileSync(join(folder, 'proxy-password'), 'from a file\n')
    expect(read(withPassword('{ file: proxy-password }')).proxy).toMatchObject({
      user: 'gateway',
      password: 'from a file',
    })
    process.env.TEST_PROXY_PASSWORD = 'from the environment'
    expect(read(withPassword('{ env: TEST_PROXY_PASSWORD }')).proxy?.password).toBe('from the environment')
    delete process.env.TEST_PROXY_PASSWORD
  })

  it.each([
    ['hunter2', '3: proxy.password: must be { env: NAME } or { file: PATH }: a secret does not belong in this file'],
    [
      '{ env: NOBODY_SET_THIS }',
      "3: proxy.password: the environment has no variable NOBODY_SET_THIS; set it for the agent's user",
    ],
  ])('%s is refused', (password, expected) => {
    expect(mistakesIn(withPassword(password))).toEqual([expected])
  })

  it('whose file is missing is told with its place', () => {
    expect(mistakesIn(withPassword('{ file: nowhere }'))[0]).toContain(
      `proxy.password: ${join(folder, 'nowhere')}: cannot be read (ENOENT`,
    )
  })
})

describe('an error names the line, the key and what is allowed', () => {
  it.each([
    [
      'an unknown key',
      replaced('intervalMs: 500', 'intervallMs: 500'),
      '9: machines[0].intervallMs: is not a key here; did you mean intervalMs? Allowed: slug, device, intervalMs, maxSilenceMs, tagsFile, tags',
    ],
    ['a missing key', replaced(', host: 192.0.2.10 }', ' }'), '4: devices[0].host: is missing'],
    [
      'a wrong kind',
      replaced('port: 1502', 'port: http'),
      '5: devices[1].port: must be a whole number from 1 to 65535',
    ],
    [
      'a number out of range',
      replaced('unitId: 3', 'unitId: 300'),
      '5: devices[1].unitId: must be a whole number from 0 to 255',
    ],
    [
      'an unknown driver',
      replaced('driver: modbus-tcp, host: 192.0.2.10 ', 'driver: modbus, host: 192.0.2.10 '),
      '4: devices[0].driver: "modbus" is not a driver; did you mean modbus-tcp? Allowed: modbus-tcp, modbus-rtu, s7, opcua, simulator',
    ],
    [
      'no driver',
      replaced('driver: modbus-tcp, host: 192.0.2.10 ', 'host: 192.0.2.10 '),
      '4: devices[0].driver: is missing',
    ],
    [
      'a key of another driver',
      replaced('driver: modbus-tcp, host: 192.0.2.10 ', 'driver: modbus-rtu, path: /dev/ttyS0, port: 502 '),
      '4: devices[0].port: is not a key here; allowed: name, driver, path, baudRate, dataBits, parity, stopBits, unitId, timeoutMs',
    ],
    [
      'two speeds on one serial line',
      SERIAL.replace('unitId: 2', 'unitId: 2, baudRate: 19200'),
      '5: devices[1].baudRate: is 19200, and meter-1 on the same line /dev/ttyS0 has 9600',
    ],
    [
      'an unknown order',
      replaced('CDAB', 'CDBA'),
      '11: machines[0].tags.temperature.order: must be one of ABCD, CDAB, BADC, DCBA',
    ],
    [
      'a scale of 0',
      replaced('scale: 0.01', 'scale: 0'),
      '12: machines[0].tags.pressure.scale: must not be 0: every reading would be the same',
    ],
    [
      'a negative dead-band',
      replaced('deadband: 0.2', 'deadband: -1'),
      '11: machines[0].tags.temperature.deadband: must be 0 or more, in the unit of the scaled value',
    ],
    [
      'a clamp upside down',
      replaced('unit: bar', 'clamp: [10, 0]'),
      '12: machines[0].tags.pressure.clamp: must be [lowest, highest]',
    ],
    [
      'a unit that is a sentence',
      replaced('unit: bar', 'unit: kilograms of force per square centimetre'),
      '12: machines[0].tags.pressure.unit: must be at most 32 characters',
    ],
    [
      'a unit that no message may carry',
      replaced('unit: "°C"', 'unit: "\\0"'),
      '11: machines[0].tags.temperature.unit: must not contain U+0000 or a lone surrogate',
    ],
    [
      'an interval of 0',
      replaced('intervalMs: 500\n', 'intervalMs: 0\n'),
      '9: machines[0].intervalMs: must be a whole number from 50 to 86400000',
    ],
    [
      'a slug with a capital',
      replaced('slug: pump-1', 'slug: Pump-1'),
      '7: machines[0].slug: must be 1 to 63 of a-z, 0-9 and "-", and begin with a letter or a digit',
    ],
    [
      'an unknown device',
      replaced('device: plc-1', 'device: plc1'),
      '8: machines[0].device: "plc1" is not one of the devices; did you mean plc-1? Allowed: plc-1, plc-2',
    ],
    [
      'two devices of one name',
      replaced('name: plc-2', 'name: plc-1').replace('device: plc-2', 'device: plc-1'),
      '5: devices[1].name: "plc-1" is the name of another device already',
    ],
    [
      'an unknown type',
      replaced('type: float32', 'type: float'),
      '11: machines[0].tags.temperature.type: "float" is not a Modbus type; allowed: bool, int16, uint16, int32, uint32, float32, int64, uint64, float64, string',
    ],
    [
      'a scaled bit',
      replaced('"coil:3"', '"coil:3", scale: 2'),
      '13: machines[0].tags.running.scale: belongs to a number, and this tag is a bit; remove it',
    ],
    ['another version', replaced('version: 1', 'version: 2'), '1: version: must be 1'],
    [
      'more publishes than IoT Core takes',
      GOOD.replace('devices:', 'mqtt: { publishesPerSecond: 100 }\ndevices:'),
      '3: mqtt.publishesPerSecond: must be a whole number from 1 to 90',
    ],
    [
      'a key written twice',
      replaced('dataDir: ./data', 'dataDir: ./data\ndataDir: ./other'),
      '3: not YAML: Map keys must be unique at line 3, column 1:',
    ],
  ])('%s', (_, text, expected) => {
    expect(mistakesIn(text)).toEqual([expected])
  })

  it('an address that is none', () => {
    expect(mistakesIn(replaced('coil:3', 'coil-3'))[0]).toMatch(
      /^13: machines\[0\]\.tags\.running\.address: "coil-3" is not a Modbus address; allowed: coil, discrete, input or holding/,
    )
  })

  it('a machine listed twice, and a tag without a device', () => {
    const second = '  - slug: pump-1\n    tags:\n      speed: { address: "holding:1" }\n'
    expect(mistakesIn(GOOD + second)).toEqual([
      '15: machines[1].slug: "pump-1" is another machine already; list all its tags there',
      '17: machines[1].tags.speed: has no device, and its machine names none either',
    ])
  })

  it('all mistakes are told at once, in the order of the file, those of one kind and of the other', () => {
    expect(
      mistakesIn(
        replaced('port: 1502', 'port: 0')
          .replace('unitId: 3', 'unitId: -1')
          .replace('scale: 0.01', 'scale: 0')
          .replace('coil:3', 'coil:70000')
          .replace('device: plc-2', 'device: plc-3'),
      ).map((line) => line.slice(0, line.indexOf(':', 4))),
    ).toEqual([
      '5: devices[1].port',
      '5: devices[1].unitId',
      '12: machines[0].tags.pressure.scale',
      '13: machines[0].tags.running.address',
      '14: machines[0].tags.level.device',
    ])
  })

  it.each(['', '- a list', 'version: 1\ndataDir: x\ndevices: 3\nmachines: [1, { tags: 2 }, { tags: { a: 3 } }]'])(
    'a file that is something else altogether: %j',
    (text) => expect(mistakesIn(text).length).toBeGreaterThan(0),
  )

  it('an address of each driver', () => {
    const simulated = GOOD.replace('modbus-tcp, host: 192.0.2.10 ', 'simulator ').replace(
      /temperature: .*\n.*\n.*/,
      'a: { address: sinus }\n      b: { address: "ramp?period=5" }\n      c: { address: "replay:temp" }\n      d: { address: "square", type: bool, scale: 2 }\n      e: { address: "sine?min=5&max=1" }',
    )
    expect(mistakesIn(simulated)).toEqual([
      '11: machines[0].tags.a.address: "sinus" is no signal; did you mean sine? Allowed: sine, ramp, counter, random-walk, square, with settings as in sine?min=0&max=100&periodMs=60000, or replay: and a column of the file',
      '12: machines[0].tags.b.address: "period" is no setting of ramp; did you mean periodMs? Allowed: min, max, periodMs',
      '13: machines[0].tags.c.address: "replay:temp" needs a CSV file; name it as file of the device',
      '14: machines[0].tags.d.scale: belongs to a number, and this tag is a bit; remove it',
      '15: machines[0].tags.e.address: min of "sine?min=5&max=1" must be less than max',
    ])
  })

  it('an OPC UA device: endpoint, mode, password, addresses', () => {
    const opcua = GOOD.replace(
      'modbus-tcp, host: 192.0.2.10 ',
      'opcua, endpoint: "http://192.0.2.10", securityMode: Encrypt, password: { env: NO_SUCH_VARIABLE } ',
    ).replace(
      /temperature: .*\n.*\n.*/,
      'a: { address: "ns=1;s=Pump.A" }\n      b: { address: "i=x" }\n      c: { address: "i=5", type: float32 }',
    )
    expect(mistakesIn(opcua)).toEqual([
      '4: devices[0].endpoint: must be like opc.tcp://192.0.2.30:4840',
      '4: devices[0].securityMode: must be one of None, Sign, SignAndEncrypt',
      '4: devices[0].password: belongs to a user; name it as user of the device',
      '12: machines[0].tags.b.address: "i=x" is no NodeId; allowed: nsu=URI;s=Name, ns=2;s=Name, ns=3;i=1001, and g= and b= likewise; gateway-agent browse shows them',
      '13: machines[0].tags.c.type: is told by the OPC UA server itself; remove it',
    ])
  })

  it('an S7 address', () => {
    const s7 = GOOD.replace('modbus-tcp, host: 192.0.2.10 ', 's7, host: 192.0.2.10 ').replace(
      /temperature: .*\n.*\n.*/,
      'a: { address: DB1.DBW0, type: REEL }\n      b: { address: M1.0, scale: 2 }',
    )
    expect(mistakesIn(s7)).toEqual([
      '11: machines[0].tags.a.type: "REEL" is no type of "DB1.DBW0"; allowed: WORD, INT',
      '12: machines[0].tags.b.scale: belongs to a number, and this tag is a bit; remove it',
    ])
  })

  it('a CSV file to replay that is not there, is wrong, or lacks the column', () => {
    const simulated = GOOD.replace('modbus-tcp, host: 192.0.2.10 ', 'simulator, file: run.csv ').replace(
      /temperature: .*\n.*\n.*/,
      'a: { address: "replay:temp" }',
    )
    expect(mistakesIn(simulated)[0]).toMatch(/^4: devices\[0\]\.file: cannot read .*run\.csv: ENOENT/)
    writeFileSync(join(folder, 'run.csv'), 'time,level\n0,1\nsoon,2\n')
    expect(mistakesIn(simulated)).toEqual([
      `4: devices[0].file: ${join(folder, 'run.csv')}:3: "soon" is neither a date nor milliseconds`,
    ])
    writeFileSync(join(folder, 'run.csv'), 'time,level\n0,1\n1000,2\n')
    expect(mistakesIn(simulated)).toEqual([
      `11: machines[0].tags.a.address: "temp" is no column of ${join(folder, 'run.csv')}; allowed: level`,
    ])
  })

  it('a file that is not there', () => {
    expect(() => readConfiguration('/nowhere/config.yaml')).toThrow(
      /^\/nowhere\/config.yaml: cannot read the configuration: ENOENT/,
    )
  })
})
