# Kaitai Struct description of SIMP/1's datagram (simp.md, section 2), for implementers in other languages, and of what
# SIMP/2 puts into it (simp2.md, section 3).
#
# Kaitai's compiler, version 0.11, makes a parser of it: `kaitai-struct-compiler --target java simp.ksy`, or `go`,
# `javascript`, `python` and others. You ask for the framing in which to read a datagram; in Python:
#
#     simp = Simp.from_bytes(data)
#     datagram = simp.header  # or simp.trailer, or simp.bare
#     print(datagram.datagram_type, datagram.sequence, datagram.payload)
#     print(datagram.simp2.kind)  # in header alone, and `simp2` may be nothing
#
# That raises an error if the bytes are not a datagram in that framing. What Kaitai can't express is left to you:
#   - whether the checksum is right, and so whether it is `header` or `trailer`, which have the same size (2.6)
#   - how names and texts are shown (2.4, 5.6)
#   - what a payload means (2.5, 4.2, 4.3), and anything that concerns more than one datagram
#   - SIMP/2's offers (simp2.md, 2.1), and whether operation, number and user are those of its payloads (3.2)
#
# The golden packets (packets.toml; `simp vectors packets`) test the parser that you make, as they test this file.

meta:
  id: simp
  title: SIMP/1, the datagram between two chat daemons
  license: MIT
  ks-version: 0.11
  endian: be

doc: |
  SIMP (Simple IMC Messaging Protocol) lets two people chat with no server
  between them: each runs a daemon, and daemons send these datagrams to each
  other over UDP, port 7777.

  The stream is one whole datagram, as UDP delivers it. The place of the
  checksum is its framing, and no field says which it is. The instances read
  the same bytes in each of the three framings, once they are asked for:

    1. `bare` is recognised by its size; reading it fails for any other.
    2. `header` and `trailer` have the same size, and are told apart by which
       checksum is right. Kaitai can't compute it: read both, and compare
       each one's `checksum` with what its documentation says.
    3. Where both are right, as can happen when the payload is empty, the
       framing is that of the conversation, otherwise `header`.

  A datagram that can't be read, or has a wrong checksum, is malformed: it
  MUST be ignored, and never answered (section 2.8).
doc-ref: spec/simp.md, section 2

instances:
  header:
    pos: 0
    type: datagram(framing::header)
    doc: The datagram in the framing that daemons of SIMP/1 speak with each other.
    doc-ref: spec/simp.md, section 2.6
  trailer:
    pos: 0
    type: datagram(framing::trailer)
    doc: The datagram in a framing that some foreign daemons speak.
    doc-ref: spec/simp.md, sections 2.6 and 9.8
  bare:
    pos: 0
    type: datagram(framing::bare)
    doc: |
      The datagram in the framing that other foreign daemons speak, and in
      which a daemon about which nothing is known is called.
    doc-ref: spec/simp.md, sections 2.6 and 4.2

types:
  datagram:
    params:
      - id: framing
        type: u1
        enum: framing
        doc: Where the checksum is. This isn't on the wire.
    seq:
      - id: datagram_type # `type` is a reserved word in some languages
        type: u1
        enum: datagram_type
        valid:
          in-enum: true
        doc: What kind of operation follows.
        doc-ref: spec/simp.md, section 2.1
      - id: control_operation
        type: u1
        enum: control_operation
        valid:
          in-enum: true
        if: datagram_type == datagram_type::control
        doc: |
          The operation of a control datagram: a sum of the bits ERR 0x01,
          SYN 0x02, ACK 0x04 and FIN 0x08, but only those in the enum.
        doc-ref: spec/simp.md, section 2.2
      - id: chat_operation
        type: u1
        enum: chat_operation
        valid:
          in-enum: true
        if: datagram_type == datagram_type::chat
        doc: The operation of a chat datagram, in the same place. There is only one.
        doc-ref: spec/simp.md, section 2.2
      - id: sequence
        type: u1
        valid:
          max: 'framing == framing::bare ? 255 : 1'
        doc: 0 or 1; in `bare`, where foreign daemons count further, up to 255 MUST be understood.
        doc-ref: spec/simp.md, sections 2.3, 5.2 and 9.2
      - id: user
        size: 32
        pad-right: 0
        doc: |
          The name of the sender's person. Daemons send 1 to 32 printable
          ASCII characters without `|`, padded with NUL, but any bytes MUST be
          accepted, so this is not a string. The NULs at its end are gone
          here; to show it, strip NULs and blanks at both ends, and escape
          each byte beyond ASCII.
        doc-ref: spec/simp.md, section 2.4
      - id: length
        type: u4
        valid:
          eq: '_io.size - (framing == framing::bare ? 39 : 41)'
        doc: |
          The number of payload bytes. Exactly that many follow, and a checksum
          of two bytes where there is one: the datagram neither ends earlier
          nor goes on.
        doc-ref: spec/simp.md, section 2.5
      - id: header_checksum
        type: u2
        if: framing == framing::header
        doc: See `checksum`.
      - id: payload
        size: length
        doc: |
          In a chat the message, in an ERR a text that a person can read: in
          UTF-8, in any framing. (To foreign peers only ASCII is sent.) A byte
          that isn't UTF-8 is escaped, never dropped, and so is anything that
          could disturb a terminal. In a SYN it may be the offer
          `SIMP/1 header utf-8`, in an ACK it may be `ringing`; `simp2` is
          what it is of SIMP/2. Any other payload is read, and ignored.
        doc-ref: spec/simp.md, sections 2.5, 4.2, 4.3 and 5.6
      - id: trailer_checksum
        type: u2le
        if: framing == framing::trailer
        doc: See `checksum`.
    instances:
      simp2:
        pos: 41
        size: length
        type: simp2_payload
        if: framing == framing::header and length > 0 and payload[0] >= 0x80 and payload[0] < 0xc0
        doc: |
          The payload as one of SIMP/2, if its first byte is SIMP/2's. Reading
          it fails where SIMP/2 finds it malformed, which a daemon that speaks
          only SIMP/1 doesn't.
        doc-ref: spec/simp2.md, sections 3.1 and 3.2
      checksum:
        value: 'framing == framing::header ? header_checksum : trailer_checksum'
        if: framing != framing::bare
        doc: |
          The number that the datagram gives as its own RFC 1071 checksum: the
          ones' complement of the ones' complement sum of its 16-bit
          big-endian words. In `header` the sum is over all bytes, these two
          taken as zero; in `trailer` it is over all bytes before these two,
          which are swapped, and so read as little-endian. A zero byte is
          added to an odd number of bytes. The two numbers MUST be equal bit
          for bit: 0xffff isn't 0x0000.
        doc-ref: spec/simp.md, section 2.6
  simp2_payload:
    seq:
      - id: kind
        type: u1
        enum: simp2_kind
        valid:
          in-enum: true
        doc-ref: spec/simp2.md, section 3.1
      - id: tag
        size: 8
        if: kind != simp2_kind::record
        valid:
          expr: |
            kind == simp2_kind::challenge ? _io.size == 25 :
            kind == simp2_kind::answer ? _io.size >= 105 :
            kind == simp2_kind::confirm ? _io.size >= 73 : _io.size == 9
        doc: Which call it belongs to.
        doc-ref: spec/simp2.md, section 2.4
      - id: cookie
        size: 16
        if: kind == simp2_kind::challenge
        doc: To be sent back in the SYN.
        doc-ref: spec/simp2.md, section 4.2
      - id: message
        size-eos: true
        if: kind == simp2_kind::answer or kind == simp2_kind::confirm
        doc: Message 2 or 3 of the handshake, which is Noise's.
        doc-ref: spec/simp2.md, section 5.1
      - id: session
        size: 4
        if: kind == simp2_kind::record
        valid:
          expr: _io.size >= 29
        doc-ref: spec/simp2.md, section 5.4
      - id: counter
        type: u8
        if: kind == simp2_kind::record
        valid:
          expr: counter < 0x8000000000000000
        doc-ref: spec/simp2.md, section 6.3
      - id: sealed
        size-eos: true
        if: kind == simp2_kind::record
        doc: The frames, which only the two ends can open.
        doc-ref: spec/simp2.md, section 6

enums:
  simp2_kind:
    0x80:
      id: challenge
      doc: Show that your address is yours.
    0x81:
      id: ringing
      doc: It rings.
    0x82:
      id: answer
      doc: The call is accepted.
    0x83:
      id: confirm
      doc: The session is on.
    0x84:
      id: over
      doc: The call is over.
    0x88:
      id: record
      doc: Sealed frames.
  framing:
    0:
      id: header
      doc: The checksum is between length and payload.
    1:
      id: trailer
      doc: The checksum is at the end, its two bytes swapped.
    2:
      id: bare
      doc: There is no checksum.
  datagram_type:
    0x01: control
    0x02: chat
  control_operation:
    0x01:
      id: err
      doc: Says what is wrong.
    0x02:
      id: syn
      doc: Calls.
    0x04:
      id: ack
      doc: Acknowledges, or says that the call rings.
    0x06:
      id: syn_ack
      doc: Accepts a call.
    0x08:
      id: fin
      doc: Declines, cancels or leaves.
    0x09:
      id: err_fin
      doc: An ERR and a FIN in one. MUST be understood, and MUST NOT be sent.
    0x0c:
      id: fin_ack
      doc: A FIN and an ACK in one. MUST be understood, and MUST NOT be sent.
  chat_operation:
    0x01:
      id: message
      doc: Says something to the person.
