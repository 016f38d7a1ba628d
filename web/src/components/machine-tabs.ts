/** Views of one machine, by their names in the address. */
export const MACHINE_TABS = ['charts', 'events', 'completeness'] as const
export type MachineTab = (typeof MACHINE_TABS)[number]
