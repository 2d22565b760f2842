namespace PdEngine;

/// <summary>How ids become text, as the file's decoder section says.</summary>
/// <param name="ByteLevel">Tokens are spelt in the byte alphabet; else they are text.</param>
/// <param name="MarkerToSpace">U+2581 in a token stands for a space.</param>
/// <param name="ByteFallback">
/// Tokens <c>&lt;0xHH&gt;</c> are bytes; a run of them that is no UTF-8 is U+FFFD each.
/// </param>
/// <param name="LeadingSpacesDropped">Most spaces that are taken off the front of the whole text.</param>
/// <param name="FirstDropsMarkers">
/// The first token loses its markers instead of showing spaces (Metaspace).
/// </param>
internal sealed record DecoderRules(
    bool ByteLevel = false, bool MarkerToSpace = false, bool ByteFallback = false, 
    int LeadingSpacesDropped = 0, bool FirstDropsMarkers = false);
