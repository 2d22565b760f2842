namespace PdEngine.Examples;

/// <summary>What a run leaves behind: a line for each step, checkpoints, and its curves.</summary>
/// <param name="folder">Of checkpoints and curves.</param>
/// <param name="json">Takes an object a line and step; null is nowhere. Not owned.</param>
/// <param name="trainer">Whose weights and state are written.</param>
/// <param name="checkpointSteps">Steps between two checkpoints.</param>
internal sealed class RunFiles(string folder, TextWriter? json, Trainer trainer, int checkpointSteps)
{
    private readonly List<GrpoProgress> _steps = [];

    /// <summary>Shows a step and writes it down.</summary>
    public void Add(GrpoProgress progress)
    {
        _steps.Add(progress);
        Console.WriteLine(ProgressFiles.TextLine(progress));
        json?.WriteLine(ProgressFiles.JsonLine(progress));
        json?.Flush();
        if (progress.Step % checkpointSteps == 0)
            Save(progress.Step);
    }

    /// <summary>Writes weights, state and curves.</summary>
    public void Save(int step)
    {
        ModelFolder.WriteWeights(folder, trainer);
        ModelFolder.WriteState(folder, trainer, step);
        File.WriteAllText(Path.Combine(folder, "curves.svg"), ProgressFiles.Curves(_steps));
    }
}
