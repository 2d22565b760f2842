namespace PdEngine.Bench;

/// <summary>How a row of <c>gpu-check</c> ended.</summary>
internal enum CheckStatus
{
    /// <summary>What it checks holds, or what it times was timed.</summary>
    Fine,

    /// <summary>What it checks does not hold, or something was refused.</summary>
    Failed,

    /// <summary>Something that it takes is not on this machine.</summary>
    Missing,

    /// <summary>It is being computed; in an earlier report: the run ended meanwhile.</summary>
    Begun,
}

/// <summary>One row of the report: what was checked or timed, and what came out.</summary>
/// <param name="name">Of the row, which no other has.</param>
internal sealed class CheckRow(string name)
{
    private readonly List<(string Name, double Value)> _figures = [];

    public string Name { get; } = name;

    public CheckStatus Status { get; private set; }

    /// <summary>What a reader has to know; of a failed row why it failed.</summary>
    public string Note { get; private set; } = "";

    public IReadOnlyList<(string Name, double Value)> Figures => _figures;

    /// <summary>Adds a figure; its unit is part of its name.</summary>
    public CheckRow With(string figure, double value)
    {
        _figures.Add((figure, value));
        return this;
    }

    public CheckRow Noted(string note)
    {
        Note = Note.Length == 0 ? note : $"{Note}; {note}";
        return this;
    }

    public CheckRow Begun()
    {
        Status = CheckStatus.Begun;
        return Noted("the run ended while this row was computed; --again computes it anew");
    }

    public CheckRow Failed(string why)
    {
        Status = CheckStatus.Failed;
        return Noted(why);
    }

    public CheckRow Missing(string what)
    {
        Status = CheckStatus.Missing;
        return Noted(what);
    }
}
