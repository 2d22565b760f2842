namespace PdEngine;

/// <summary>One override of a group, after flags and file were joined.</summary>
/// <param name="Key">Its name, with underscores.</param>
/// <param name="Value">Its value.</param>
/// <param name="Status">What the engine does about it.</param>
/// <param name="ChangesResults">Whether leaving it out changes tokens or the memory format.</param>
/// <param name="Line">Line in the file; null where a flag set it.</param>
public sealed record ResolvedOverride(
    string Key, OverrideValue Value, OverrideStatus Status, bool ChangesResults, int? Line);

/// <summary>What the engine does about an override.</summary>
public enum OverrideStatus
{
    /// <summary>It acts on it.</summary>
    ActedOn,

    /// <summary>The value is what the engine does anyway.</summary>
    AlreadySo,

    /// <summary>It cannot do this yet.</summary>
    NotYet,
}
