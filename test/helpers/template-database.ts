/** The migrated database that each test file gets a copy of. */
export const TEMPLATE_DATABASE = 'telemetry_template'

/** Of the functions' roles alike. */
export const ROLE_PASSWORD = 'role-password-of-the-tests'
