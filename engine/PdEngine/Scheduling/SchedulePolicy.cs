namespace PdEngine;

/// <summary>Which queued sequence is admitted next. Retracted ones always come first.</summary>
public enum SchedulePolicy
{
    /// <summary>In order of arrival.</summary>
    Fcfs,

    /// <summary>Longest cached prefix first, among the oldest; none is overtaken without bound.</summary>
    LongestPrefixMatch,

    /// <summary>Highest priority first, then in order of arrival; a low one waits while higher ones come.</summary>
    Priority,
}

/// <summary>Which decoding sequence gives its blocks back when they run out.</summary>
internal enum RetractionPolicy
{
    /// <summary>The one with the fewest output tokens: the least to compute again.</summary>
    Length,

    /// <summary>The one of the lowest priority, then as <see cref="Length"/>.</summary>
    Priority,
}
