/** Tries to open an interface without any right: node open-as-nobody.ts IF */
import { openAfPacket } from '../index.ts';
import { native } from '../native.ts';

native();
process.setgroups!([]);
process.setgid!(65534);
process.setuid!(65534);
try {
  openAfPacket({ interfaceName: process.argv[2] }).close();
  process.stdout.write('{}\n');
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: (error as { code?: string }).code })}\n`);
}
