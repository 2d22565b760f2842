namespace PdEngine.Host;

/// <summary>Shows a rollout while it runs.</summary>
internal interface IRolloutView
{
    /// <summary>Shows the rollout until it has ended; what it throws is thrown on.</summary>
    Task ShowAsync(RolloutRun run, Task ending);
}
