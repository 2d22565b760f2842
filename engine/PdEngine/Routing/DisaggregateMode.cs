namespace PdEngine;

/// <summary>Whether a request's prompt is computed apart from its decoding.</summary>
public enum DisaggregateMode
{
    /// <summary>Where it pays: a short or mostly cached prompt stays on its decode worker.</summary>
    Auto,

    /// <summary>Every request goes through a prefill worker.</summary>
    Always,

    /// <summary>Every request stays on its decode worker.</summary>
    Never,
}
