/** The pages of administrators and managers, as one chunk. */
export { default as AdminFrame } from './admin/AdminFrame.vue'
export { default as AuditView } from './admin/AuditView.vue'
export { default as DeadLettersView } from './admin/DeadLettersView.vue'
export { default as MachinesView } from './admin/MachinesView.vue'
export { default as OnboardingView } from './admin/OnboardingView.vue'
export { default as ProfileView } from './ProfileView.vue'
export { default as PlantsView } from './admin/PlantsView.vue'
export { default as UsersView } from './admin/UsersView.vue'
