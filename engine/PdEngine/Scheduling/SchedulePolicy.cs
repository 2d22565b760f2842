namespace PdEngine;

/// <summary>Which queued sequence is admitted next. Retracted ones always come first.</summary>
public enum SchedulePolicy
{
    /// <summary>In order of arrival.</summary>
    Fcfs,

    /// <summary>Longest cached prefix first, among the oldest; none is overtaken without bound.</summary>
    LongestPrefixMatch,

    /// <summary>
    /// Highest priority first, then in order of arrival; a low one waits while higher ones come.
    /// </summary>
    Priority,

    /// <summary>Requests whose routing key most running ones have first, then in order of arrival.</summary>
    RoutingKey,
}
