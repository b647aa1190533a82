// What a lab command can refuse or fail with. The code is stable; the exit code is the command's.
export type LabErrorCode =
  | 'LAB_REQUIREMENT' // the machine lacks something (root, Linux, iproute2, a Redis server)
  | 'LAB_USAGE' // the command line or the config file is wrong
  | 'LAB_NOT_UP' // the command needs a lab that is up
  | 'LAB_CONFLICT' // the lab is up in another shape, or somebody else holds it
  | 'LAB_FAILED'; // a part of the lab did not do what it had to

export class LabError extends Error {
  readonly code: LabErrorCode;

  constructor(code: LabErrorCode, message: string) {
    super(message);
    this.name = 'LabError';
    this.code = code;
  }

  // 2 says "you, or this machine": nothing was tried. 1 says that something was tried and failed.
  get exitCode(): number {
    return this.code === 'LAB_REQUIREMENT' || this.code === 'LAB_USAGE' ? 2 : 1;
  }
}
