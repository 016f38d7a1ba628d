/**
 * The pages behind the sign-in as one chunk, fetched with the first of them: together they are small, and a page that is
 * here opens also when the network is away. A page that brings a library (charts) belongs in a chunk of its own.
 */
export { default as AlarmsView } from './AlarmsView.vue'
export { default as GatewayView } from './GatewayView.vue'
export { default as GatewaysView } from './GatewaysView.vue'
export { default as MachineView } from './MachineView.vue'
export { default as NotFoundView } from './NotFoundView.vue'
export { default as OverviewView } from './OverviewView.vue'
export { default as PlantFrame } from './PlantFrame.vue'
export { default as PlantView } from './PlantView.vue'
export { default as SignedInFrame } from './SignedInFrame.vue'
