using System.Text;

namespace PdEngine.Examples;

/// <summary>What a run leaves behind: a line for each step, checkpoints, and its curves.</summary>
internal sealed class RunFiles
{
    /// <summary>The lines of all steps up to the state that is saved beside it.</summary>
    public const string StepsFile = "steps.jsonl";

    private readonly List<string> _lines = [];
    private readonly List<CurvePoint> _points = [];
    private readonly string _folder;
    private readonly TextWriter? _json;
    private readonly Trainer _trainer;
    private readonly int _checkpointSteps;

    /// <param name="folder">Of checkpoints and curves.</param>
    /// <param name="json">Takes an object a line and step; null is nowhere. Not owned.</param>
    /// <param name="trainer">Whose weights and state are written.</param>
    /// <param name="checkpointSteps">Steps between two checkpoints.</param>
    /// <param name="firstStep">Steps that an earlier run has done: theirs are read back.</param>
    /// <exception cref="CheckpointException">They are malformed.</exception>
    public RunFiles(string folder, TextWriter? json, Trainer trainer, int checkpointSteps, int firstStep)
    {
        (_folder, _json, _trainer, _checkpointSteps) = (folder, json, trainer, checkpointSteps);
        string path = Path.Combine(folder, StepsFile);
        if (firstStep == 0 || !File.Exists(path))
            return;
        foreach (string line in File.ReadLines(path))
        {
            CurvePoint point = CurvePoint.Parse(path, line);
            // The file may have been written just before a state that never was.
            if (point.Step > firstStep)
                break;
            _lines.Add(line);
            _points.Add(point);
        }
    }

    /// <summary>Shows a step and writes it down.</summary>
    public void Add(GrpoProgress progress)
    {
        string line = ProgressFiles.JsonLine(progress);
        _lines.Add(line);
        _points.Add(CurvePoint.Of(progress));
        Console.WriteLine(ProgressFiles.TextLine(progress));
        _json?.WriteLine(line);
        _json?.Flush();
        if (progress.Step % _checkpointSteps == 0)
            Save(progress.Step);
    }

    /// <summary>Writes weights, state, steps and curves.</summary>
    public void Save(int step)
    {
        ModelFolder.WriteWeights(_folder, _trainer);
        byte[] lines = Encoding.UTF8.GetBytes(string.Concat(_lines.Select(line => line + "\n")));
        ModelFolder.Replace(Path.Combine(_folder, StepsFile), stream => stream.Write(lines));
        ModelFolder.WriteState(_folder, _trainer, step);
        byte[] curves = Encoding.UTF8.GetBytes(ProgressFiles.Curves(_points));
        ModelFolder.Replace(Path.Combine(_folder, "curves.svg"), stream => stream.Write(curves));
    }
}
