/** Secrets never reach a log, an error or a metric. */

const HIDDEN = '***';

/** The text with the passwords of the URLs in it replaced. */
export function redactUrl(text: string): string {
  // Not through the URL class: a malformed URL may hold a password, too, and must come out
  // readable. The greedy middle takes a password that itself contains '@' or '/' whole.
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s:@/]*):\S*@/gi, `$1:${HIDDEN}@`)
    .replace(/([?&]password=)[^&\s]*/gi, `$1${HIDDEN}`);
}

const SECRET_KEY = /password|secret|token/i;

/** Whether a setting of this name is a secret as a whole. */
export function isSecretKey(key: string): boolean {
  return SECRET_KEY.test(key);
}
