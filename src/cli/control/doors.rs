//! What a server opens for those who speak with it: the control socket, the port of metrics, signals.

use super::super::Failure;
use super::super::logging::Log;
use super::super::serve::cannot_listen;
use super::reload::Reloader;
use crate::config::Config;
use crate::control::{ControlSocket, Desk, Guard, MetricsPort, Reload};
use crate::process::notify::Notifier;
use crate::process::pidfile::Pidfile;
use crate::process::signals::Duties;
use crate::process::users;
use crate::server::Stopper;
use crossbeam_channel::bounded;
use std::io;

/// What is bound, but not served yet.
pub(in crate::cli) struct Doors {
    socket: Option<ControlSocket>,
    metrics: Option<MetricsPort>,
}

impl Doors {
    /// Binds what the configuration names.
    pub(in crate::cli) fn bind(config: &Config) -> Result<Doors, Failure> {
        let wrong = Failure::Configuration;
        let owner = config.file_access_user.as_deref().map(users::find).transpose();
        let owner = owner.map_err(|why| wrong(format!("file_access_user: {why}")))?;
        let socket = config.control.as_deref().map(|path| ControlSocket::bind(path, owner)).transpose();
        let port = config.metrics_listen.as_ref().map(|address| {
            let port = MetricsPort::bind((address.host.as_str(), address.port));
            port.map_err(|error| cannot_listen(address, &error))
        });
        Ok(Doors { socket: socket.map_err(wrong)?, metrics: port.transpose()? })
    }

    /// Serves it. The socket is removed when what is returned is dropped.
    pub(in crate::cli) fn open(self, desk: &Desk) -> io::Result<Option<Guard>> {
        if let Some(port) = self.metrics {
            log::info!("metrics are at http://{}/metrics", port.address()?);
            desk.show_metrics(port)?;
        }
        self.socket.map(|socket| desk.open(socket)).transpose()
    }
}

/// Reads the configuration anew, and opens the log anew; systemd knows of it.
pub(in crate::cli) fn rereading(reloader: Reloader, log: Log, systemd: Notifier, status: &str) -> Reload {
    let status = status.to_string();
    Box::new(move || {
        systemd.reloading();
        log.reopen();
        let result = reloader.reload();
        systemd.ready(&status);
        result
    })
}

/// What signals do. Reading the configuration takes its time, in which the server can be stopped.
pub(in crate::cli) fn duties(stopper: Stopper, desk: Desk, pidfile: Option<Pidfile>) -> io::Result<Duties> {
    let (wanted, wishes) = bounded::<()>(1);
    let reloading = desk.clone();
    std::thread::Builder::new().name("reload".into()).spawn(move || {
        for () in wishes {
            // The log has what came of it.
            let _ = reloading.reload();
        }
    })?;
    let reload = move || {
        // One that waits reads what there is then.
        let _ = wanted.try_send(());
    };
    Ok(Duties {
        stop: Box::new(move || stopper.stop()),
        last: Box::new(move || pidfile.iter().for_each(Pidfile::remove)),
        reload: desk.can_reload().then(|| Box::new(reload) as Box<dyn FnMut() + Send>),
        state: Box::new(move || desk.log_state()),
    })
}
