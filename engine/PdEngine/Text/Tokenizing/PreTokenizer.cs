namespace PdEngine;

/// <summary>A pre-tokenizer, read.</summary>
/// <param name="ByteLevel">Whether the vocabulary is spelt in the byte alphabet.</param>
/// <param name="Scanners">Patterns in the order they run; none where all text is one piece.</param>
/// <param name="Metaspace">How spaces become markers, or null.</param>
internal sealed record PreTokenizer(bool ByteLevel, PieceScanner[] Scanners, MetaspaceRule? Metaspace);
