/** Finds a redis-server: on PATH, else Debian's packages unpacked into .local without root (no npm package carries one). */
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface RedisBinary {
  file: string
  env: NodeJS.ProcessEnv
}

const UNPACKED = join(import.meta.dirname, '../.local/redis-server')
const PACKAGES = ['redis-tools', 'libjemalloc2', 'liblzf1', 'libatomic1']

/** Throws an error that names the three ways when there is none of them. */
export function redisBinary(): RedisBinary {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'redis-server'))
    .find((file) => existsSync(file))
  if (onPath) return { file: onPath, env: process.env }
  try {
    if (!existsSync(UNPACKED)) unpackDebianPackages()
  } catch (cause) {
    throw new Error(
      'No Redis 7 was found. Do one of these: set REDIS_URL to a running one (redis://host:port); ' +
        'install one so that redis-server is on PATH (Debian: apt-get install redis-server, macOS: brew install redis); ' +
        'or, on Debian and Ubuntu, let npm start fetch the packages with apt-get: that failed, see below.',
      { cause },
    )
  }
  const libraries = globSync(join(UNPACKED, 'usr/lib/*-linux-gnu')).join(':')
  return { file: join(UNPACKED, 'usr/bin/redis-server'), env: { ...process.env, LD_LIBRARY_PATH: libraries } }
}

function unpackDebianPackages(): void {
  const work = `${UNPACKED}.new`
  rmSync(work, { recursive: true, force: true })
  for (const folder of ['state/lists/partial', 'cache/archives/partial', 'root'])
    mkdirSync(join(work, folder), { recursive: true })
  writeFileSync(join(work, 'state/status'), '')
  const apt = (...args: string[]) =>
    execFileSync(
      'apt-get',
      [
        ...['-o', `Dir::State=${work}/state`, '-o', `Dir::State::status=${work}/state/status`],
        ...['-o', `Dir::Cache=${work}/cache`, '-o', 'APT::Sandbox::User=', '-q', ...args],
      ],
      { cwd: work, stdio: ['ignore', 'ignore', 'pipe'] },
    )
  apt('update')
  apt('download', ...PACKAGES)
  for (const file of globSync('*.deb', { cwd: work }))
    execFileSync('dpkg', ['-x', join(work, file), join(work, 'root')])
  // The server's binary is in redis-tools: redis-check-rdb and redis-server are one program that looks at its name.
  symlinkSync('redis-check-rdb', join(work, 'root/usr/bin/redis-server'))
  renameSync(join(work, 'root'), UNPACKED)
  rmSync(work, { recursive: true })
}
