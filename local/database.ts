import pg from 'pg'
import * as v from 'valibot'
import type { Assembly } from './assembly/assembly.ts'
import type { Postgres } from './postgres.ts'
import { masterSecretArn } from './secrets-manager.ts'

const Instance = v.object({
  DBName: v.string(),
  MasterUsername: v.string(),
  Engine: v.literal('postgres'),
  EngineVersion: v.pipe(v.string(), v.startsWith('16', 'local/ runs PostgreSQL 16')),
})

export interface DatabaseInstance extends v.InferOutput<typeof Instance> {
  /** Of the secret that RDS keeps for its master user. */
  masterSecretArn: string
}

/** The database instance of the templates. */
export function readDatabase(assembly: Assembly): DatabaseInstance {
  const instances = assembly.resources('AWS::RDS::DBInstance')
  if (instances.length !== 1) throw new Error(`local/ runs one database, the templates have ${instances.length}.`)
  const [instance] = instances
  return { ...v.parse(Instance, instance!.properties), masterSecretArn: masterSecretArn(assembly, instance!) }
}

/** What RDS does when it makes an instance: a master user that is no superuser, and a database of its own. */
export async function prepareDatabase(postgres: Postgres, instance: DatabaseInstance, password: string): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    const master = client.escapeIdentifier(instance.MasterUsername)
    const database = client.escapeIdentifier(instance.DBName)
    const { rowCount: roles } = await client.query('select from pg_roles where rolname = $1', [instance.MasterUsername])
    if (!roles) await client.query(`create role ${master} login createrole createdb`)
    await client.query(`alter role ${master} password ${client.escapeLiteral(password)}`)
    const { rowCount: databases } = await client.query('select from pg_database where datname = $1', [instance.DBName])
    if (!databases) await client.query(`create database ${database} owner ${master}`)
  } finally {
    await client.end()
  }
}
