import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { forget } from '../../../local/forget.ts'
import { postgresDataDir } from '../../../local/postgres-home.ts'
import { remember } from '../../../local/processes.ts'

let rootDir: string
beforeEach(() => {
  rootDir = mkdtempSync(join(tmpdir(), 'forget-'))
  for (const folder of [
    postgresDataDir(join(rootDir, 'postgres')),
    join(rootDir, 'gateways'),
    join(rootDir, 'assembly'),
  ])
    mkdirSync(folder, { recursive: true })
  writeFileSync(join(rootDir, 'iot-registry.json'), '{}')
})
afterEach(() => rmSync(rootDir, { recursive: true }))

it('keeps all data unless it is asked', async () => {
  await forget(rootDir, false)
  expect(existsSync(join(rootDir, 'iot-registry.json'))).toBe(true)
})

it('deletes all data, and keeps what only saves time', async () => {
  await forget(rootDir, true)
  expect(readdirSync(rootDir)).toEqual(['assembly'])
  expect(existsSync(postgresDataDir(join(rootDir, 'postgres')))).toBe(false)
})

it('goes on with it at the next start when it was ended half-way', async () => {
  writeFileSync(join(rootDir, 'forgetting'), '')
  await forget(rootDir, false)
  expect(readdirSync(rootDir)).toEqual(['assembly'])
})

it('touches nothing while a system runs on it', async () => {
  remember(join(rootDir, 'lock.json'), process.ppid)
  await expect(forget(rootDir, true)).rejects.toThrow('already runs')
  expect(existsSync(join(rootDir, 'iot-registry.json'))).toBe(true)
})
