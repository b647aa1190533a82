/**
 * Header views: named offsets and masks over (view, offset). No objects per packet.
 *
 * ```
 * IPv4 (RFC 791)
 *  0        1        2        3        4
 *  +--------+--------+--------+--------+
 *  | 4 |IHL | TOS    | total length    |  0
 *  | identification  |flags| fragment  |  4
 *  | TTL    |protocol| header checksum |  8
 *  | source address                    | 12
 *  | destination address               | 16
 *  +-----------------------------------+
 *
 * TCP (RFC 9293)                            UDP (RFC 768)            ICMP echo (RFC 792)
 *  | source port     | dest. port      |  0  | source | destination |  |type|code| checksum |  0
 *  | sequence number                   |  4  | length | checksum    |  | identif.| sequence |  4
 *  | acknowledgement number            |  8
 *  |offset| flags    | window          | 12
 *  | checksum        | urgent pointer  | 16
 * ```
 */
export const IPV4_HEADER_BYTES = 20;
export const IPV4_TOTAL_LENGTH = 2;
export const IPV4_IDENTIFICATION = 4;
export const IPV4_FRAGMENT = 6;
export const IPV4_TTL = 8;
export const IPV4_PROTOCOL = 9;
export const IPV4_CHECKSUM = 10;
export const IPV4_SOURCE = 12;
export const IPV4_DESTINATION = 16;
export const IPV4_DONT_FRAGMENT = 0x4000;
export const IPV4_MORE_FRAGMENTS = 0x2000;
/** More-fragments flag and fragment offset: zero in a whole packet. */
export const IPV4_FRAGMENT_MASK = 0x3fff;

/** The fragment offset alone: zero in a first fragment, too. */
export const IPV4_OFFSET_MASK = 0x1fff;

export const TCP_HEADER_BYTES = 20;
export const TCP_SEQUENCE = 4;
export const TCP_ACKNOWLEDGEMENT = 8;
export const TCP_DATA_OFFSET = 12;
export const TCP_FLAGS = 13;
export const TCP_CHECKSUM = 16;
export const TCP_FIN = 0x01;
export const TCP_SYN = 0x02;
export const TCP_RST = 0x04;
export const TCP_ACK = 0x10;

export const UDP_HEADER_BYTES = 8;
export const UDP_LENGTH = 4;
export const UDP_CHECKSUM = 6;

export const ICMP_HEADER_BYTES = 8;
export const ICMP_CHECKSUM = 2;
export const ICMP_IDENTIFIER = 4;
export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_ECHO_REQUEST = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;
