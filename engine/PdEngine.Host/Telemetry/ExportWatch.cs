using OpenTelemetry;

namespace PdEngine.Host;

/// <summary>Says when the exports of one signal begin to fail and to succeed again.</summary>
internal sealed class ExportWatch(Action<bool> changed)
{
    private bool _works = true;

    /// <summary>Passes on how an export ended.</summary>
    public ExportResult Note(ExportResult result)
    {
        bool works = result == ExportResult.Success;
        if (works != _works)
            changed(works);
        _works = works;
        return result;
    }
}
