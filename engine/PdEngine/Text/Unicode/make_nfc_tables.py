"""Writes NfcTables.Generated.cs from the Unicode data inside Python's unicodedata module.

Usage: python3 make_nfc_tables.py > NfcTables.Generated.cs

One record per code point that has a combining class or a canonical decomposition, in rising order (Hangul
syllables are left out: they follow from arithmetic). A record is
  varint   distance from the code point of the record before (the first one counts from 0)
  byte     bits 0-1 length of the decomposition (0 to 2), bit 2 the pair composes back to this code point,
           bit 3 a combining class follows
  byte     combining class, where bit 3 is set
  varints  the decomposition's code points, each as zigzag(value - code point)
A varint has 7 bits a byte, low bits first, top bit set on all but its last byte.
"""
import base64
import sys
import unicodedata


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def zigzag(value):
    return value * 2 if value >= 0 else -value * 2 - 1


def record(code_point):
    text = chr(code_point)
    combining = unicodedata.combining(text)
    mapping = unicodedata.decomposition(text)
    parts = [] if mapping.startswith("<") else [int(x, 16) for x in mapping.split()]
    if combining == 0 and not parts:
        return None
    composes = len(parts) == 2 and unicodedata.normalize("NFC", text) == text
    flags = len(parts) | (4 if composes else 0) | (8 if combining else 0)
    body = bytes([flags]) + (bytes([combining]) if combining else b"")
    return body + b"".join(varint(zigzag(part - code_point)) for part in parts)


def main():
    data, last = b"", 0
    for code_point in range(sys.maxunicode + 1):
        if 0xAC00 <= code_point <= 0xD7A3 or 0xD800 <= code_point <= 0xDFFF:
            continue
        body = record(code_point)
        if body is not None:
            data += varint(code_point - last) + body
            last = code_point
    text = base64.b64encode(data).decode()
    print("namespace PdEngine;\n")
    print(f"/// <summary>Made by make_nfc_tables.py from Unicode {unicodedata.unidata_version}.</summary>")
    print("internal static partial class NfcTables\n{")
    print('    private const string Records = """')
    for at in range(0, len(text), 100):
        print("        " + text[at:at + 100])
    print('        """;\n}')


main()
