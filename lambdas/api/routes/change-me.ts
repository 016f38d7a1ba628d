import { Me } from '../../../schemas/api.ts'
import { ChangeMe } from '../../../schemas/people.ts'
import { forgetUsers } from '../../data/cached-user.ts'
import { changeLocale } from '../../data/users.ts'
import { meOf } from '../me.ts'
import { changeRoute } from '../route.ts'

export const route = changeRoute({
  method: 'PATCH',
  path: '/v1/me',
  operationId: 'changeMe',
  summary: 'Chooses the language of the page and of mails; null: the browser’s',
  body: ChangeMe,
  answer: { status: 200, schema: Me },
  async handle({ body: { locale }, requestId, services, user, transaction }) {
    const { tenantId, userId } = user
    await changeLocale(transaction, { tenantId, userId, requestId }, user, locale)
    await forgetUsers(services.redis, [user])
    return meOf({ ...user, locale })
  },
})
