/** How the directory's scripts are asked and answered: see lua/parts/members.lua. */
import { createHash } from 'node:crypto';
import {
  type DeploymentState,
  type MemberInfo,
  type MemberStance,
  PROBLEM_BYTES_MAX,
  type Stance,
  type Terms,
} from '../deployment.ts';
import { type ByteReader, ByteWriter } from './bytes.ts';

/** By its place: as in lua/parts/members.lua. */
const STANCES: readonly MemberStance['stance'][] = ['silent', 'goesByBoth', 'refuses'];
const SHA_BYTES = 20;
/** No text has a line's end in it that is not the end of a problem. */
const PROBLEM_END = '\n';

/** Its addresses are one text to the scripts: neither has a space in it. */
export function encodeMember(member: MemberInfo): ByteWriter {
  const { incarnation, name, controlUrl, peerAddress } = member;
  const addresses = peerAddress === null ? controlUrl : `${controlUrl} ${peerAddress}`;
  return new ByteWriter().incarnation(incarnation).text(name).text(addresses);
}

export function encodeHeartbeat(member: MemberInfo, layout: number, stance: Stance | null): Buffer {
  const writer = encodeMember(member).u8(layout);
  if (stance === null) return writer.u8(0).bytes(Buffer.alloc(SHA_BYTES)).u16(0).done();
  const { next, problems } = stance;
  const kind = STANCES.indexOf(problems.length === 0 ? 'goesByBoth' : 'refuses');
  const sha = createHash('sha1').update(next).digest();
  const said = Buffer.from(problems.join(PROBLEM_END)).subarray(0, PROBLEM_BYTES_MAX);
  return writer.u8(kind).bytes(sha).u16(said.length).bytes(said).done();
}

/** Sorted by name. */
export function readMembers(reader: ByteReader): MemberInfo[] {
  const members = Array.from({ length: reader.u16() }, () => {
    const incarnation = reader.bytes(8).toString('hex');
    const name = reader.text();
    const [controlUrl = '', peerAddress = null] = reader.text().split(' ');
    return { name, incarnation, controlUrl, peerAddress };
  });
  return members.sort(byName);
}

export function readTerms(reader: ByteReader): Terms {
  return { holds: reader.text(), next: reader.text() || null, layout: reader.u8() };
}

export function readDeployment(reader: ByteReader): DeploymentState {
  const terms = readTerms(reader);
  const nextLayout = reader.u8() || null;
  const members = Array.from({ length: reader.u16() }, () => {
    const name = reader.text();
    const stance = STANCES[reader.u8()]!;
    const said = reader.text();
    return { name, stance, problems: said === '' ? [] : said.split(PROBLEM_END) };
  });
  return { kind: 'running', terms, members: members.sort(byName), nextLayout };
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}
