/** EX_CONFIG of sysexits: the configuration is invalid. */
export const EXIT_CONFIG = 78;
export const EXIT_FAILURE = 1;
