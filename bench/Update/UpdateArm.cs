namespace PdEngine.Bench;

/// <summary>One way of pushing weights.</summary>
/// <param name="Mode">What becomes of the streams; null: there are none.</param>
/// <param name="Stages">New weights are loaded beside the old ones, or over them.</param>
internal sealed record UpdateArm(PauseMode? Mode, bool Stages)
{
    private const string Idle = "idle";

    public static IReadOnlyList<UpdateArm> All { get; } =
    [
        .. from stages in (bool[])[true, false]
        from mode in (PauseMode?[])[null, PauseMode.InPlace, PauseMode.Retract, PauseMode.Abort]
        select new UpdateArm(mode, stages),
    ];

    /// <summary>For example <c>in_place-staged</c>.</summary>
    public string Name
    {
        get
        {
            string mode = Mode switch
            {
                PauseMode.InPlace => "in_place",
                PauseMode.Retract => "retract",
                PauseMode.Abort => "abort",
                _ => Idle,
            };
            return $"{mode}-{(Stages ? "staged" : "over")}";
        }
    }

    /// <summary>Arms by their names; all where there is no list.</summary>
    /// <exception cref="OptionsException">There is no such arm.</exception>
    public static IReadOnlyList<UpdateArm> Parse(string? names) => names is null
        ? All
        : [.. names.Split(',').Select(name => All.FirstOrDefault(arm => arm.Name == name)
            ?? throw new OptionsException(
                "--arms", $"'{name}' is none of {string.Join(", ", All.Select(arm => arm.Name))}"))];
}
