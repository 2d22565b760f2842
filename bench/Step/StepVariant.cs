namespace PdEngine.Bench;

/// <summary>What the requests of a measured step ask for.</summary>
internal enum StepVariant
{
    /// <summary>Plain draws; nobody listens.</summary>
    Plain,

    /// <summary>The same, one step ahead.</summary>
    Ahead,

    /// <summary>Log-probs with two alternatives, a repetition penalty and stop ids.</summary>
    Scored,

    /// <summary>Plain draws into token streams.</summary>
    Streamed,
}

/// <summary>Names of <see cref="StepVariant"/> in reports.</summary>
internal static class StepVariants
{
    public static IReadOnlyList<StepVariant> All { get; } =
        [StepVariant.Plain, StepVariant.Scored, StepVariant.Streamed, StepVariant.Ahead];

    public static string NameOf(StepVariant variant) => variant switch
    {
        StepVariant.Plain => "plain",
        StepVariant.Ahead => "plain, ahead",
        StepVariant.Scored => "log-probs, penalty",
        _ => "streams",
    };
}
