import { columns } from './columns.ts'
import type { Configuration, Tag } from './configuration.ts'
import type { DataValue } from './drivers/driver.ts'
import { openDriver, placeOf } from './drivers/open-driver.ts'
import { messageOf } from './failure.ts'
import { scaled } from './scaling.ts'

/** Reads every tag once and prints it; needs no enrolment. Returns whether all could be read. */
export async function readOnce({ devices, machines }: Configuration, print: (line: string) => void): Promise<boolean> {
  const rows: string[][] = []
  for (const device of devices) {
    const wanted = machines.flatMap(({ slug, tags }) =>
      tags.filter((tag) => tag.device === device.name).map((tag) => ({ slug, tag })),
    )
    const driver = await openDriver(device)
    let values: DataValue[]
    try {
      await driver.connect()
      values = await driver.read(wanted.map(({ tag }) => tag))
    } catch (error) {
      const fault = `${device.name} (${placeOf(device)}): ${messageOf(error)}`
      values = wanted.map(() => ({ value: null, quality: 'bad', fault }))
    } finally {
      await driver.close()
    }
    rows.push(...wanted.map(({ slug, tag }, index) => rowOf(slug, tag, scaled(tag, values[index]!))))
  }
  for (const line of columns(rows)) print(line)
  return rows.every((row) => row[4] !== 'bad' && !row[4]!.startsWith('bad:'))
}

function rowOf(machine: string, tag: Tag, { value, quality, fault }: DataValue): string[] {
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value)
  return [
    machine,
    tag.name,
    tag.address,
    `${text}${tag.unit ? ` ${tag.unit}` : ''}`,
    fault ? `${quality}: ${fault}` : quality,
  ]
}
