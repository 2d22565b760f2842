namespace PdEngine;

/// <summary>Which decoding sequence gives its blocks back when they run out.</summary>
internal enum RetractionPolicy
{
    /// <summary>The one with the fewest output tokens: the least to compute again.</summary>
    Length,

    /// <summary>The one of the lowest priority, then as <see cref="Length"/>.</summary>
    Priority,
}
