import { CfnOutput, Duration, Stack, type StackProps } from 'aws-cdk-lib'
import {
  OidcProviderNative,
  PolicyDocument,
  PolicyStatement,
  Role,
  type IOidcProvider,
  WebIdentityPrincipal,
} from 'aws-cdk-lib/aws-iam'
import type { Construct } from 'constructs'

const GITHUB = 'token.actions.githubusercontent.com'
/** Roles that `cdk bootstrap` makes, by its default qualifier. */
const BOOTSTRAP = 'cdk-hnb659fds'
/** CloudFront's web ACL stands there, whatever the region of the rest. */
const EDGE_REGION = 'us-east-1'

/**
 * Lets jobs of one GitHub repository deploy into this account, without a key: they may become the roles of `cdk bootstrap`, and do nothing else
 * themselves. Deployed by hand, once per account, and by no pipeline: it cannot change its own rights.
 */
export class PipelineStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps, repository: string) {
    super(scope, id, props)
    const provider = new OidcProviderNative(this, 'GitHub', {
      url: `https://${GITHUB}`,
      clientIds: ['sts.amazonaws.com'],
    })
    // A job of an environment says so in its token; whom GitHub lets begin there is set up at the environment.
    const deploy = this.#role('Deploy', provider, repository, ['dev', 'prod'], ['deploy', 'file-publishing', 'lookup'])
    const diff = this.#role('Diff', provider, repository, ['prod-diff'], ['lookup'])
    new CfnOutput(this, 'DeployRoleArn', { value: deploy.roleArn })
    new CfnOutput(this, 'DiffRoleArn', { value: diff.roleArn })
  }

  #role(id: string, provider: IOidcProvider, repository: string, environments: string[], parts: string[]): Role {
    const regions = [this.region, EDGE_REGION]
    const resources = regions.flatMap((region) =>
      parts.map((part) =>
        this.formatArn({
          ...{ service: 'iam', region: '', resource: 'role' },
          resourceName: `${BOOTSTRAP}-${part}-role-${this.account}-${region}`,
        }),
      ),
    )
    return new Role(this, id, {
      description: `Jobs of ${repository} in the environments ${environments.join(', ')}`,
      maxSessionDuration: Duration.hours(1),
      assumedBy: new WebIdentityPrincipal(provider.oidcProviderArn, {
        StringEquals: {
          [`${GITHUB}:aud`]: 'sts.amazonaws.com',
          [`${GITHUB}:sub`]: environments.map((name) => `repo:${repository}:environment:${name}`),
        },
      }),
      inlinePolicies: {
        access: new PolicyDocument({ statements: [new PolicyStatement({ actions: ['sts:AssumeRole'], resources })] }),
      },
    })
  }
}
