import { nextTick } from 'vue'
import { createRouter, createWebHistory } from 'vue-router'
import type { AuthSession } from './auth/auth-session.ts'

declare module 'vue-router' {
  interface RouteMeta {
    /** Without signing in. */
    public?: true
    /** Part of the navigation it belongs to. */
    section?: 'overview' | 'gateways' | 'alarms' | 'admin'
  }
}

const signedInPages = () => import('./views/signed-in-pages.ts')
/** Of few people, and so fetched when one of them is asked for. */
const adminPages = () => import('./views/admin-pages.ts')

export function createAppRouter(session: AuthSession) {
  const router = createRouter({
    history: createWebHistory(),
    routes: [
      { path: '/sign-in', name: 'sign-in', component: () => import('./views/SignInView.vue'), meta: { public: true } },
      {
        path: '/reset-password',
        name: 'new-password',
        component: () => import('./views/NewPasswordView.vue'),
        meta: { public: true },
      },
      {
        path: '/',
        name: 'overview',
        component: async () => (await signedInPages()).OverviewView,
        meta: { section: 'overview' },
      },
      {
        path: '/plants/:plant',
        component: async () => (await signedInPages()).PlantFrame,
        props: true,
        meta: { section: 'overview' },
        children: [
          { path: '', name: 'plant', component: async () => (await signedInPages()).PlantView },
          {
            path: 'machines/:machine',
            name: 'machine',
            component: async () => (await signedInPages()).MachineView,
            props: true,
          },
        ],
      },
      {
        path: '/gateways',
        name: 'gateways',
        component: async () => (await signedInPages()).GatewaysView,
        meta: { section: 'gateways' },
      },
      {
        path: '/gateways/:gateway',
        name: 'gateway',
        component: async () => (await signedInPages()).GatewayView,
        props: true,
        meta: { section: 'gateways' },
      },
      {
        path: '/alarms',
        name: 'alarms',
        component: async () => (await signedInPages()).AlarmsView,
        meta: { section: 'alarms' },
      },
      {
        path: '/admin',
        component: async () => (await adminPages()).AdminFrame,
        meta: { section: 'admin' },
        children: [
          // The one page of it that managers have too.
          { path: '', name: 'admin', redirect: { name: 'machines' } },
          { path: 'onboarding', name: 'onboarding', component: async () => (await adminPages()).OnboardingView },
          { path: 'plants', name: 'plants', component: async () => (await adminPages()).PlantsView },
          { path: 'machines', name: 'machines', component: async () => (await adminPages()).MachinesView },
          { path: 'users', name: 'users', component: async () => (await adminPages()).UsersView },
          { path: 'dead-letters', name: 'dead-letters', component: async () => (await adminPages()).DeadLettersView },
          { path: 'audit', name: 'audit', component: async () => (await adminPages()).AuditView },
        ],
      },
      { path: '/guide', name: 'guide', component: () => import('./views/GuideView.vue') },
      { path: '/profile', name: 'profile', component: async () => (await adminPages()).ProfileView },
      { path: '/:rest(.*)*', name: 'not-found', component: async () => (await signedInPages()).NotFoundView },
    ],
    // Its successor is experimental.
    // eslint-disable-next-line @typescript-eslint/no-deprecated
    scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  })

  router.beforeEach(async (to) => {
    await session.ready
    const signedIn = session.email.value !== null
    if (!signedIn && !to.meta.public) return { name: 'sign-in', query: to.path === '/' ? {} : { next: to.fullPath } }
    if (signedIn && to.name === 'sign-in') return { name: 'overview' }
    return true
  })
  // A screen reader is told of the new page by its heading; on the first page the browser does that itself.
  router.afterEach(async (to, from) => {
    // What is chosen on a page stands in its query: whoever types or ticks there stays where they are.
    if (from.name === undefined || to.path === from.path) return
    await nextTick()
    document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true })
  })
  // A part of the app that a newer build has replaced: the whole page brings what is there now.
  router.onError((_error, to, from) => {
    if (from.name !== undefined && navigator.onLine) location.assign(to.fullPath)
  })
  return router
}
