/** The pipeline of GitHub Actions: what it may do, and that nobody else's code gets in by a name that moves. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { resource, resources, synthesize } from './cdk/templates.ts'

const repository = join(import.meta.dirname, '../..')
const text = readFileSync(join(repository, '.github/workflows/deploy.yml'), 'utf8')

interface Job {
  needs?: string
  environment?: string
  permissions: Record<string, string>
  'timeout-minutes': number
  env?: Record<string, string>
  steps: { uses?: string; run?: string; with?: Record<string, string> }[]
}
const { jobs, permissions, on } = parse(text) as { jobs: Record<string, Job>; permissions: object; on: object }
const steps = Object.values(jobs).flatMap((job) => job.steps)
const runs = (name: string) => jobs[name]!.steps.flatMap(({ run }) => run ?? [])

describe('the workflow', () => {
  it('keeps no key and no secret, and gives its credentials to nobody', () => {
    expect(text).not.toMatch(/secrets\.|aws-access-key-id|aws-secret-access-key|AKIA[A-Z0-9]{16}|arn:aws/)
    expect(Object.keys(on)).toEqual(['push', 'workflow_dispatch'])
    for (const { uses, with: input } of steps)
      if (uses?.startsWith('actions/checkout@')) expect(input).toMatchObject({ 'persist-credentials': false })
  })

  it('names each action by its whole version', () => {
    const actions = steps.flatMap(({ uses }) => uses ?? [])
    expect(actions.length).toBeGreaterThan(6)
    for (const action of actions) expect(action).toMatch(/^(actions|aws-actions)\/[a-z-]+@v\d+\.\d+\.\d+$/)
  })

  it('asks for an identity only in jobs that have an environment, and for nothing else', () => {
    expect(permissions).toEqual({})
    for (const job of Object.values(jobs)) {
      const expected = job.environment === undefined ? {} : { 'id-token': 'write' }
      expect(job.permissions).toEqual({ contents: 'read', ...expected })
      expect(job['timeout-minutes']).toBeLessThanOrEqual(90)
      const roles = job.steps.flatMap((step) => step.with?.['role-to-assume'] ?? [])
      expect(roles).toHaveLength(job.environment === undefined ? 0 : 1)
    }
  })

  it('tests, deploys to dev, shows what would change in prod, and changes it in an environment of its own', () => {
    expect(Object.entries(jobs).map(([name, job]) => [name, job.needs, job.environment])).toEqual([
      ['test', undefined, undefined],
      ['dev', 'test', 'dev'],
      ['prod-diff', 'dev', 'prod-diff'],
      ['prod', 'prod-diff', 'prod'],
    ])
    expect(runs('test')).toEqual(expect.arrayContaining(['npm test', 'npm run lint', 'npm run typecheck']))
    const stageOf = (name: string) => /-c stage=(\w+)/.exec(jobs[name]!.env!['CONTEXT']!)?.[1]
    expect(['dev', 'prod-diff', 'prod'].map(stageOf)).toEqual(['dev', 'prod', 'prod'])
    for (const name of ['dev', 'prod']) expect(runs(name).at(-1)).toMatch(/^npx cdk deploy --all .*\$CONTEXT$/)
    expect(runs('prod-diff').join()).not.toContain('deploy')
    const { scripts } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { scripts: object }
    for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) expect(Object.keys(scripts)).toContain(script)
  })

  it('sets context that cdk/settings.ts knows', () => {
    const settings = readFileSync(join(repository, 'cdk/settings.ts'), 'utf8')
    const keys = [...text.matchAll(/-c (\w+)=/g)].map(([, key]) => key!)
    expect(new Set(keys).size).toBeGreaterThan(6)
    for (const key of new Set(keys)) expect(settings).toContain(`'${key}'`)
  })
})

describe('its roles', () => {
  const templates = synthesize({ githubRepository: 'acme/telemetry' })

  it('are for jobs of the repository in their environments, and may only become those of cdk bootstrap', () => {
    expect(resource(templates, 'AWS::IAM::OIDCProvider').properties).toMatchObject({
      ...{ Url: 'https://token.actions.githubusercontent.com', ClientIdList: ['sts.amazonaws.com'] },
    })
    const roles = resources<{ AssumeRolePolicyDocument: { Statement: object[] }; Policies: object[] }>(
      templates,
      'AWS::IAM::Role',
    ).filter(({ stack }) => stack === 'Pipeline')
    const environments = { Deploy: ['dev', 'prod'], Diff: ['prod-diff'] }
    expect(roles.map(({ id }) => id.slice(0, -8))).toEqual(Object.keys(environments))
    for (const [index, names] of Object.values(environments).entries()) {
      const subjects = names.map((name) => `repo:acme/telemetry:environment:${name}`)
      const { AssumeRolePolicyDocument, Policies } = roles[index]!.properties
      expect(AssumeRolePolicyDocument.Statement).toEqual([
        expect.objectContaining({
          Action: 'sts:AssumeRoleWithWebIdentity',
          Condition: {
            StringEquals: {
              'token.actions.githubusercontent.com:aud': 'sts.amazonaws.com',
              'token.actions.githubusercontent.com:sub': subjects,
            },
          },
        }),
      ])
      const rights = JSON.stringify(Policies)
      expect(rights.match(/"Action":"[^"]+"/g)).toEqual(['"Action":"sts:AssumeRole"'])
      expect(rights).not.toContain('*')
      expect(rights.includes('-deploy-role-')).toBe(names.includes('prod'))
    }
  })

  it('are in no deployment that names no repository', () => {
    expect(Object.keys(synthesize())).not.toContain('Pipeline')
    expect(() => synthesize({ githubRepository: 'acme' })).toThrow('must be OWNER/NAME')
  })
})
