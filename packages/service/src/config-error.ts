/** Why a configuration was refused: one line per problem, under a stable code. */

export type ConfigErrorCode = 'FLOWSTORE_CONFIG_INVALID' | 'FLOWSTORE_CONFIG_UNREADABLE';

/**
 * `message` is the problems, one per line, each with the file (or environment variable), the path,
 * the value found and what is allowed. Passwords in URLs are hidden.
 */
export class ConfigError extends Error {
  readonly code: ConfigErrorCode;
  readonly problems: readonly string[];

  constructor(code: ConfigErrorCode, problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.code = code;
    this.problems = problems;
  }
}
