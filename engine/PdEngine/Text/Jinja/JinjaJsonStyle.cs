namespace PdEngine;

/// <summary>How <c>tojson</c> writes.</summary>
/// <param name="Indent">Blanks for each level, or null for one line.</param>
/// <param name="ItemSeparator">Text between items.</param>
/// <param name="NameSeparator">Text between a name and its value.</param>
/// <param name="SortKeys">Whether names are sorted.</param>
/// <param name="AsciiOnly">Whether other characters are escaped.</param>
internal sealed record JinjaJsonStyle(
    string? Indent, string ItemSeparator, string NameSeparator, bool SortKeys, bool AsciiOnly);
