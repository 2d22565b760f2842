namespace PdEngine.Bench;

/// <summary>One part of what <c>gpu-check</c> does.</summary>
internal interface ICheckStage
{
    string Name { get; }

    /// <summary>Its rows in order; each is made ready only when it is asked for.</summary>
    IEnumerable<CheckCase> Cases();
}
