using System.CommandLine;
using PdEngine.Host;

return await CommandLine.RunAsync(args);
