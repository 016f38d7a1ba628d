/** The pages of administrators, as one chunk. */
export { default as AdminFrame } from './admin/AdminFrame.vue'
export { default as DeadLettersView } from './admin/DeadLettersView.vue'
