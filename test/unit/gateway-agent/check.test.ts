import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { check } from '../../../gateway-agent/src/check.ts'
import { readConfiguration } from '../../../gateway-agent/src/configuration.ts'
import { Failure } from '../../../gateway-agent/src/failure.ts'
import { isHost, isMistypedAwsEndpoint } from '../../../gateway-agent/src/host-name.ts'
import { identityFiles, type Identity } from '../../../gateway-agent/src/identity.ts'
import { budgetWarning } from '../../../gateway-agent/src/publish-budget.ts'
import { temporaryFolder } from './temporary-folder.ts'
import { createAuthority } from './test-authority.ts'
import { keepIdentity, testIdentity } from './test-identity.ts'

let identity: Identity
beforeAll(async () => {
  identity = await testIdentity(await createAuthority(), 8883)
})

const GOOD = `version: 1
dataDir: data
devices:
  - { name: plc-1, driver: modbus-tcp, host: 192.0.2.10 }
machines:
  - slug: pump-1
    device: plc-1
    tags:
      count: { address: "holding:1" }
`

/** A gateway's folder with this configuration, enrolled as `as`. */
function prepare(text: string, as: Partial<Identity> = {}) {
  const folder = temporaryFolder()
  const file = join(folder, 'config.yaml')
  writeFileSync(file, text)
  keepIdentity(folder, { ...identity, ...as })
  return { folder, file, keyFile: identityFiles(join(folder, 'data')).privateKey }
}

function mistakes(file: string): string[] {
  try {
    check(file)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    expect(error.exitCode).toBe(2)
    return error.message.split('\n')
  }
  return []
}

describe('check', () => {
  it('is content with what is right', () => {
    const { file } = prepare(GOOD)
    expect(check(file)).toEqual([
      `${file}: ok: 1 devices, 1 machines, 1 tags, up to 1.0 messages/s`,
      `${join(file, '../data')}: enrolled as granix-ba-gateway-1`,
    ])
  })

  it('tells the mistakes of configuration, tag list and identity at once, a line each', () => {
    const text =
      GOOD.replace('host: 192.0.2.10', 'host: 192.0.2.300').replace('count:', 'cuont:') + '    tagfile: tags.csv\n'
    const { folder, file, keyFile } = prepare(`${text}    tagsFile: tags.csv\n`, {
      endpoint: 'abc-ats.iot.us-east-1.amazonaws.con',
    })
    writeFileSync(join(folder, 'tags.csv'), 'name,address,scale\nspeed,holding:2,fast\n')
    chmodSync(keyFile, 0o644)
    expect(mistakes(file)).toEqual([
      `${file}:4: devices[0].host: must be a name or an IP address`,
      expect.stringMatching(/config\.yaml:10: machines\[0\]\.tagfile: is not a key here; did you mean tagsFile\?/),
      `${join(folder, 'tags.csv')}:2: machines[0].tags.speed.scale: must be a number`,
      `${identityFiles(join(folder, 'data')).identity}: endpoint: is mistyped: an endpoint of AWS IoT is ID-ats.iot.REGION.amazonaws.com; enrol again`,
      `${keyFile}: others can read it (mode 644); chmod 600 it`,
    ])
  })

  it('names each machine whose topic is too long', () => {
    const long = 'x'.repeat(63)
    const { file } = prepare(GOOD.replace('pump-1', long), {
      topics: { ...identity.topics, telemetry: `factory/${long}/${long}/${long}/{machine}/telemetry` },
    })
    expect(mistakes(file)).toEqual([
      expect.stringMatching(/^machine x+: its topic .* is 273 bytes long, at most 256 are allowed; shorten its slug$/),
    ])
  })

  it('says that the key is missing', () => {
    const { file, keyFile } = prepare(GOOD)
    writeFileSync(keyFile, '')
    expect(mistakes(file)).toEqual([expect.stringContaining(`${keyFile}: cannot be read (`)])
  })

  it.skipIf(process.getuid?.() !== 0)('says that the key belongs to somebody else', () => {
    const { file, keyFile } = prepare(GOOD)
    chownSync(keyFile, 65_534, 65_534)
    expect(mistakes(file)).toEqual([`${keyFile}: belongs to user id 65534, and the agent is user id 0; chown it`])
  })

  it('finds a machine that is the copy of another', () => {
    const { file } = prepare(`${GOOD}  - { slug: pump-2, device: plc-1, tags: { total: { address: "holding:1" } } }\n`)
    expect(mistakes(file)).toEqual([
      `${file}:10: machines[1].tags: are exactly those of pump-1: remove one of the two machines`,
    ])
  })
})

describe('a tag list', () => {
  function withList(list: string) {
    const folder = temporaryFolder()
    const file = join(folder, 'config.yaml')
    writeFileSync(
      file,
      `${GOOD.split('    tags:')[0]!}    tagsFile: tags.csv\n    tags: { own: { address: "coil:1" } }\n`,
    )
    writeFileSync(join(folder, 'tags.csv'), list)
    return { folder, file, list: join(folder, 'tags.csv') }
  }

  it('is read beside the tags of the file itself, with every key, and watched with it', () => {
    const { file, list } = withList(
      '\uFEFFname,address,type,scale,unit,deadband,clamp,intervalMs\r\n"temperature",holding:100,float32,0.5,"°C",0.2,-40 120,5000\r\n\r\nspeed,holding:102,,,,,,\r\n',
    )
    const configuration = readConfiguration(file)
    expect(configuration.files).toEqual([file, list])
    expect(configuration.machines[0]!.tags).toMatchObject([
      {
        name: 'temperature',
        address: 'holding:100',
        type: 'float32',
        scale: 0.5,
        unit: '°C',
        deadband: 0.2,
        clamp: [-40, 120],
        intervalMs: 5000,
      },
      { name: 'speed', address: 'holding:102', scale: 1, intervalMs: 1000 },
      { name: 'own', address: 'coil:1' },
    ])
  })

  it('may come from a spreadsheet that writes semicolons and decimal commas', () => {
    const { file } = withList('name;address;scale;unit\nlevel;holding:1;0,01;"m; real"\n')
    expect(readConfiguration(file).machines[0]!.tags[0]).toMatchObject({ name: 'level', scale: 0.01, unit: 'm; real' })
  })

  it.each([
    [
      'name,adress\na,coil:1\n',
      [':1: "adress" is not a column; did you mean address?', ':1: the column address is missing'],
    ],
    ['name,address\na,coil:1\na,coil:2\n', [':3: "a" is the tag of line 2 already']],
    ['name,address\nown,coil:1\n', [':2: "own" is a tag of the configuration file already']],
    ['name,address\n,coil:1\na,coil:2,x\n', [':2: the name is missing', ':3: has 3 cells, and the head line 2']],
    ['name,address\na,coil-1\n', [':2: machines[0].tags.a.address: "coil-1" is not a Modbus address']],
    ['name,address\na b,coil:1\n', [':2: machines[0].tags.a b']],
  ])('%j is refused with its line', (text, expected) => {
    const { file, list } = withList(text)
    const found = mistakes(file)
    expect(found).toEqual(expected.map((message) => expect.stringContaining(list + message) as string))
  })

  it('that is not there is said once', () => {
    const { folder, file } = withList('')
    writeFileSync(
      file,
      readFileSync(file, 'utf8')
        .replace('tags.csv', 'nowhere.csv')
        .replace(/ {4}tags: .*\n/, ''),
    )
    expect(mistakes(file)).toEqual([
      expect.stringContaining(`${join(folder, 'nowhere.csv')}:1: cannot be read: ENOENT`),
    ])
  })
})

describe('the publish budget', () => {
  const configuration = (...intervals: number[]) => ({
    ...readConfiguration(prepare(GOOD).file),
    file: 'config.yaml',
    machines: intervals.map((intervalMs, index) => ({
      slug: `m-${index}`,
      tags: [{ name: 'a', address: `holding:${index}`, device: 'plc-1', intervalMs, scale: 1, offset: 0 }],
    })),
  })

  it('is no matter where it is kept', () => {
    expect(budgetWarning(configuration(100, 100, 1000))).toBeUndefined()
  })

  it('that is broken names who needs a longer interval, and what everybody may have', () => {
    // 20 + 20 + 10 + 50 x 1 of 80: two share what the others leave over.
    expect(budgetWarning(configuration(50, 50, 100, ...Array<number>(50).fill(1000)))).toBe(
      'config.yaml: the machines make up to 100.0 messages/s, but only 80 may be sent: the rest waits, and the buffer fills. ' +
        'With at most 10.0/s each it fits; give a longer intervalMs to m-0 (20.0/s), m-1 (20.0/s)',
    )
  })

  it('counts as many messages as 256 tags at a time make', () => {
    const [machine] = configuration(1000).machines
    const tags = Array.from({ length: 600 }, (_, index) => ({ ...machine!.tags[0]!, name: `t${index}` }))
    const machines = Array.from({ length: 30 }, (_, index) => ({ slug: `m-${index}`, tags }))
    expect(budgetWarning({ ...configuration(1000), machines })).toContain('up to 90.0 messages/s')
  })
})

it('hosts and endpoints with typing mistakes', () => {
  expect(
    ['192.168.1.30', '::1', 'plc-1', 'plc.plant.example', 'abc-ats.iot.eu-west-1.amazonaws.com'].filter(
      (host) => !isHost(host),
    ),
  ).toEqual([])
  expect(['192.168.1.300', '10.0.0', 'plc_1', 'plc..example', '-plc', 'mqtts://plc', ''].filter(isHost)).toEqual([])
  const good = [
    'abc-ats.iot.eu-west-1.amazonaws.com',
    'abc-ats.iot.us-gov-west-1.amazonaws.com',
    'abc-ats.iot.cn-north-1.amazonaws.com.cn',
    'broker.plant.example',
  ]
  expect(good.filter(isMistypedAwsEndpoint)).toEqual([])
  const bad = [
    'abc-ats.iot.eu-west1.amazonaws.com',
    'abc.iot.eu-west-1.amazonaws.com',
    'abc-ats.iot.eu-west-1.amazonaw.com',
    'abc-ats.iott.eu-west-1.amazonaws.com',
  ]
  expect(bad.filter((host) => !isMistypedAwsEndpoint(host))).toEqual([])
})
